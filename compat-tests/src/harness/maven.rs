//! Apache Kafka's jars and our Java program, set up in the project's ignored cache folder.
//!
//! Owns: `compat-tests/.cache/kafka-4.3.1/`: `lib/` (jars, by Maven from clients/java/pom.xml) and
//! `classes/` (our program, by javac). Each is made again when its sources change: a stamp file holds
//! what it was made from, and is written last, so an interrupted set-up is repeated.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::process::Process;

const MAVEN_LIMIT: Duration = Duration::from_secs(600);
const JAVAC_LIMIT: Duration = Duration::from_secs(120);

/// What a JVM needs to find Kafka and our program.
#[derive(Clone, Debug)]
pub struct JavaSetup {
    cache: PathBuf,
}

impl JavaSetup {
    /// Downloads and compiles what is missing. Several processes may call it at once: they take
    /// turns.
    pub fn ensure() -> Result<JavaSetup, String> {
        let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let setup = JavaSetup {
            cache: crate_dir.join(".cache/kafka-4.3.1"),
        };
        fs::create_dir_all(&setup.cache).map_err(|e| format!("{}: {e}", setup.cache.display()))?;
        let lock = File::create(setup.cache.join("lock")).map_err(|e| e.to_string())?;
        lock.lock().map_err(|e| format!("the cache's lock: {e}"))?;
        setup.ensure_jars(&java_dir())?;
        setup.ensure_classes(&java_dir())?;
        Ok(setup)
    }

    /// For `java -cp`.
    pub fn class_path(&self) -> String {
        let lib = self.lib().join("*");
        format!("{}:{}", self.classes().display(), lib.display())
    }

    fn lib(&self) -> PathBuf {
        self.cache.join("lib")
    }

    fn classes(&self) -> PathBuf {
        self.cache.join("classes")
    }

    fn ensure_jars(&self, java_dir: &Path) -> Result<(), String> {
        let pom = java_dir.join("pom.xml");
        let wanted = read(&pom)?;
        self.once("jars", &wanted, || {
            let _ = fs::remove_dir_all(self.lib());
            let mut command = Command::new("mvn");
            command.current_dir(java_dir);
            command.args(["-q", "-B", "dependency:copy-dependencies"]);
            command.arg("-DincludeScope=runtime");
            command.arg(format!("-DoutputDirectory={}", self.lib().display()));
            self.run("mvn", command, MAVEN_LIMIT)
        })
    }

    fn ensure_classes(&self, java_dir: &Path) -> Result<(), String> {
        let mut sources = java_files(&java_dir.join("src"))?;
        sources.sort();
        let texts = sources.iter().map(|path| read(path));
        let wanted = texts.collect::<Result<Vec<_>, _>>()?.join("\n");
        if sources.is_empty() {
            return Err(format!("no Java sources in {}", java_dir.display()));
        }
        self.once("classes", &wanted, || {
            let _ = fs::remove_dir_all(self.classes());
            let mut command = Command::new("javac");
            command.args([
                "--release",
                "17",
                "-Xlint:all,-classfile,-processing",
                "-Werror",
                "-d",
            ]);
            command.arg(self.classes());
            command.arg("-cp").arg(self.lib().join("*"));
            command.args(&sources);
            self.run("javac", command, JAVAC_LIMIT)
        })
    }

    /// Runs `make` unless the stamp `name` says that it was done for `wanted`.
    fn once(
        &self,
        name: &str,
        wanted: &str,
        make: impl FnOnce() -> Result<(), String>,
    ) -> Result<(), String> {
        let stamp = self.cache.join(format!("{name}.stamp"));
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        let _ = fs::remove_file(&stamp);
        make()?;
        fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))
    }

    fn run(&self, name: &str, command: Command, limit: Duration) -> Result<(), String> {
        let mut process = Process::start(name, &self.cache, command)?;
        let status = process.wait(limit)?;
        if status.success() {
            return Ok(());
        }
        Err(process.failure(&format!("ended with {status}")))
    }
}

fn java_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/java")
}

fn java_files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    let paths = entries.filter_map(|entry| entry.ok().map(|e| e.path()));
    Ok(paths
        .filter(|path| path.extension().is_some_and(|ext| ext == "java"))
        .collect())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
