//! The page: one table of medians, ranges and ratios, and every figure behind it.

use std::fmt::Write;

use super::{
    lab::{Lab, Which},
    stats::Series,
};

/// What is wanted of Weir.
#[derive(Clone, Debug)]
pub enum Target {
    /// Only shown.
    None,
    /// Weir's median over Kafka's.
    RatioAtLeast(f64),
    RatioAtMost(f64),
    /// Weir's median itself.
    AtMost(f64),
    /// Weir's median is at most the median of these.
    Allowed(Series),
}

/// One figure of both brokers.
pub struct Metric {
    pub unit: &'static str,
    kafka: Series,
    weir: Series,
    target: Target,
}

pub struct Row {
    pub title: String,
    /// Of the table; others are only for understanding.
    pub is_target: bool,
    pub metrics: Vec<Metric>,
    pub notes: Vec<String>,
}

pub struct Report {
    header: String,
    rows: Vec<Row>,
}

impl Metric {
    pub fn new(unit: &'static str, target: Target) -> Metric {
        Metric {
            unit,
            kafka: Series::default(),
            weir: Series::default(),
            target,
        }
    }

    pub fn series(&mut self, which: Which) -> &mut Series {
        match which {
            Which::Kafka => &mut self.kafka,
            Which::Weir => &mut self.weir,
        }
    }

    /// Notes what this round allows: the larger of twice Kafka's figure, and Kafka's plus two puts.
    pub fn allow(&mut self, put: f64) {
        let kafka = self.kafka.0.last().copied();
        if let (Target::Allowed(allowed), Some(kafka)) = (&mut self.target, kafka) {
            allowed.push((2.0 * kafka).max(kafka + 2.0 * put));
        }
    }

    fn ratio(&self) -> Option<f64> {
        let kafka = self.kafka.median().filter(|kafka| *kafka > 0.0)?;
        Some(self.weir.median()? / kafka)
    }

    /// The target in words, and whether it is met; `None` without a target.
    fn verdict(&self) -> Option<(String, bool)> {
        let weir = self.weir.median()?;
        match &self.target {
            Target::None => None,
            Target::RatioAtLeast(least) => Some((format!("≥ {least} ×"), self.ratio()? >= *least)),
            Target::RatioAtMost(most) => Some((format!("≤ {most} ×"), self.ratio()? <= *most)),
            Target::AtMost(most) => Some((format!("≤ {most}"), weir <= *most)),
            Target::Allowed(allowed) => {
                let most = allowed.median()?;
                Some((format!("≤ {}", number(most)), weir <= most))
            }
        }
    }

    fn line(&self, title: &str) -> String {
        let ratio = self.ratio().map_or("–".to_owned(), number);
        let (target, met) = match self.verdict() {
            None => ("–".to_owned(), "–"),
            Some((target, true)) => (target, "yes"),
            Some((target, false)) => (target, "**no**"),
        };
        format!(
            "| {title} | {} | {} | {} | {ratio} | {target} | {met} |",
            self.unit,
            self.kafka.text(),
            self.weir.text()
        )
    }
}

impl Series {
    /// Median (smallest – largest).
    pub fn text(&self) -> String {
        match (self.median(), self.range()) {
            (Some(median), Some((low, high))) => {
                format!("{} ({} – {})", number(median), number(low), number(high))
            }
            _ => "–".to_owned(),
        }
    }
}

/// Three digits that matter.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        v if v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        v if v >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

impl Report {
    pub fn new(lab: &Lab) -> Report {
        let plan = lab.plan;
        let mut header = String::new();
        let ratio = lab.payload.lz4_ratio();
        let _ = writeln!(
            header,
            "Machine: {}, {} cores, {} MiB of memory, Linux {}; client and broker share it.\n\
             Rounds: {}, alternately Kafka, Weir; throughput rounds of at least {:.0} s and {:.1} GB.\n\
             Records: 1 KiB values without keys, half random hex, half JSON-like text; lz4 ratio {ratio:.2}.\n\
             Weir with fsync; Apache Kafka 4.3.1 as it ships, without, its heap 1 GiB, hot: {:.1} GB of the same \
             load before each throughput row.\n\
             MB = 10^6 bytes, GB = 10^9 bytes of record values. CPU: user and system time of the broker's process.",
            cpu_model(),
            std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib(),
            kernel(),
            plan.rounds,
            plan.round_min.as_secs_f64(),
            plan.round_bytes_min as f64 / 1e9,
            plan.kafka_warm_bytes as f64 / 1e9,
        );
        Report {
            header,
            rows: Vec::new(),
        }
    }

    pub fn header(&self) -> &str {
        &self.header
    }

    /// Takes a row, and prints it.
    pub fn add(&mut self, row: Row) {
        for metric in &row.metrics {
            println!("{}", metric.line(&row.title));
        }
        row.notes.iter().for_each(|note| println!("  {note}"));
        self.rows.push(row);
    }

    /// The whole page.
    pub fn page(&self) -> String {
        let mut page = String::from(
            "# Performance\n\n\
             Generated by the benchmark in compat-tests/src/perf; do not edit. To measure again:\n\
             `cargo run --release -p weir-compat-tests --bin perf -- all`.\n\n",
        );
        page += &self.header.replace('\n', "\n\n");
        page += "## Targets\n\n";
        page += &self.table(true);
        page += "\n## More figures\n\n";
        page += &self.table(false);
        page += "\n## Notes\n\n";
        for row in &self.rows {
            for note in &row.notes {
                let _ = writeln!(page, "- {}: {note}", row.title);
            }
        }
        page += "\n## All rounds\n\n";
        for row in &self.rows {
            for metric in &row.metrics {
                let values = |s: &Series| {
                    s.0.iter()
                        .map(|v| number(*v))
                        .collect::<Vec<_>>()
                        .join(", ")
                };
                let (kafka, weir) = (values(&metric.kafka), values(&metric.weir));
                let _ = writeln!(
                    page,
                    "- {}, {}: Kafka {kafka}; Weir {weir}",
                    row.title, metric.unit
                );
            }
        }
        page
    }

    fn table(&self, targets: bool) -> String {
        let mut table = String::from(
            "| load | figure | Kafka: median (range) | Weir: median (range) | Weir / Kafka | target | met |\n\
             |---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            for metric in &row.metrics {
                let is_target = row.is_target && metric.verdict().is_some();
                if is_target == targets {
                    table += &metric.line(&row.title);
                    table.push('\n');
                }
            }
        }
        table
    }
}

fn cpu_model() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("model name"));
    let model = line.and_then(|l| l.split_once(':')).map(|(_, m)| m.trim());
    model.unwrap_or("unknown processor").to_owned()
}

fn memory_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix("MemTotal:"));
    let kib = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

fn kernel() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(target: Target, kafka: &[f64], weir: &[f64]) -> Metric {
        Metric {
            kafka: Series(kafka.to_vec()),
            weir: Series(weir.to_vec()),
            ..Metric::new("MB/s", target)
        }
    }

    #[test]
    fn verdicts_compare_medians() {
        let met = |m: &Metric| m.verdict().map(|(_, met)| met);
        let faster = metric(
            Target::RatioAtLeast(1.5),
            &[100.0, 1.0, 100.0],
            &[150.0, 999.0, 100.0],
        );
        assert_eq!(met(&faster), Some(true));
        let slower = metric(Target::RatioAtLeast(1.5), &[100.0], &[149.0]);
        assert_eq!(met(&slower), Some(false));
        assert_eq!(
            met(&metric(Target::AtMost(0.1), &[4.0], &[0.2])),
            Some(false)
        );
        let mut latency = metric(Target::Allowed(Series::default()), &[1.0], &[2.9]);
        latency.allow(1.0);
        assert_eq!(met(&latency), Some(true));
        latency.allow(0.1);
        assert_eq!(met(&latency), Some(false), "the median of 3.0 and 2.0");
        assert!(slower.line("x").contains("**no**"));
    }
}
