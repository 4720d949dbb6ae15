//! The `weir` binary. Everything is in the library.

/// The system's allocator returns freed memory late and fragments under many small requests.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    weir::cli::main()
}
