//! `weir log verify`: checks a store and says what is damaged.

use std::sync::Arc;

use weir_tiering::{
    env::Env,
    store::{
        DynStore,
        local::OpenMode,
        retry::{ReadPatience, RetryingStore},
        url::{self, StoreUrl},
    },
    verify::{self, Report},
};

use super::{Exit, fail, say};

/// Exit: 0 clean, 1 damage, 2 not everything could be checked.
pub(super) fn verify(url: &StoreUrl) -> Exit {
    let could_not = |reason: &dyn std::fmt::Display| {
        fail(Exit::Usage, &format!("could not check {url}: {reason}"))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return could_not(&error),
    };
    let report = runtime.block_on(async {
        let env = Env::system();
        let store = open(url, &env)?;
        let report = verify::verify(&env, &store).await;
        report.map_err(|error| error.to_string())
    });
    match report {
        Ok(report) => {
            say(report.render().trim_end());
            exit_of(&report)
        }
        Err(reason) => could_not(&reason),
    }
}

fn exit_of(report: &Report) -> Exit {
    match (report.is_sound(), report.is_complete()) {
        (false, _) => Exit::Failed,
        (true, false) => Exit::Usage,
        (true, true) => Exit::Clean,
    }
}

/// The store of `url`, for reading only.
pub(super) fn open(url: &StoreUrl, env: &Env) -> Result<DynStore, String> {
    if *url == StoreUrl::Memory {
        return Err("nothing of another process is in memory: name a directory".to_owned());
    }
    let opened = url::open(url, OpenMode::ReadOnly, env.new_process_id());
    let store = opened.map_err(|error| error.to_string())?.store;
    let patience = ReadPatience::default();
    Ok(Arc::new(RetryingStore::new(store, env.clone(), patience)))
}
