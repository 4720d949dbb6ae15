//! Exit codes of the process.

use std::process::ExitCode;

/// How a command ended. The numbers are an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Clean,
    /// `start`: failed while running or could not start. `log verify`: damage was found.
    Failed,
    /// Configuration or usage. `log verify`: could not check.
    Usage,
    /// The node id is in use, or the store belongs to another one.
    NodeId,
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Exit::Clean => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::NodeId => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}
