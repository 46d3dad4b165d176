//! What each command does, and how the process ends after it.

use std::future::Future;

use crate::app::{self, AppError};
use crate::args::{Args, Command, Exit, Logging, Serve};
use crate::settings::{ConfigFile, Environment, LogSettings, Settings};
use crate::telemetry::{Format, Level, Telemetry};

/// Runs a command to its end.
#[must_use]
pub fn run(arguments: Args) -> Exit {
    let Args { command, logging } = arguments;
    match command {
        Command::Serve(arguments) => serve(&arguments, &logging),
        Command::Standalone(arguments) => with_log_settings(&logging, app::standalone(arguments)),
        Command::Proxy(arguments) => with_log_settings(&logging, app::proxy(arguments)),
        Command::Check(arguments) => match app::check(&arguments, &mut std::io::stdout()) {
            Ok(()) => Exit::Ok,
            Err(error) => complain(&error, Exit::Manifests),
        },
        Command::Health(arguments) => block_on(crate::health::run(&arguments, &Environment)),
        Command::Hit(arguments) => block_on(crate::hit::run(&arguments)),
        Command::Load(arguments) => block_on(crate::load::run(&arguments)),
        Command::Completions(arguments) => {
            crate::args::write_completions(&arguments, &mut std::io::stdout());
            Exit::Ok
        }
    }
}

fn serve(arguments: &Serve, logging: &Logging) -> Exit {
    let file = match arguments.config.as_deref().map(ConfigFile::read).transpose() {
        Ok(file) => file,
        Err(error) => return complain(&error, Exit::Usage),
    };
    let (settings, warnings) = match Settings::read(&Environment, file) {
        Ok(read) => read,
        Err(problems) => return complain(&problems, Exit::Usage),
    };
    let level = match arguments.debug {
        true => Level::Debug,
        false => logging.log_level.unwrap_or(settings.log_level),
    };
    let format = logging.log_format.unwrap_or(settings.log_format);
    with_logs(level, format, async move {
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        app::serve(settings).await
    })
}

/// For commands that read nothing from the environment but how to log.
fn with_log_settings(logging: &Logging, work: impl Future<Output = Result<(), AppError>>) -> Exit {
    match LogSettings::read(&Environment) {
        Ok(settings) => {
            let level = logging.log_level.unwrap_or(settings.level);
            let format = logging.log_format.unwrap_or(settings.format);
            with_logs(level, format, work)
        }
        Err(problems) => complain(&problems, Exit::Usage),
    }
}

fn with_logs(level: Level, format: Format, work: impl Future<Output = Result<(), AppError>>) -> Exit {
    if let Err(error) = Telemetry::start(level, format) {
        return complain(&error, Exit::Internal);
    }
    block_on(async {
        match work.await {
            Ok(()) => Exit::Ok,
            Err(error) => {
                let exit = error.exit();
                complain(&error, exit)
            }
        }
    })
}

fn block_on(work: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(work);
            // What is still under way was given its time.
            runtime.shutdown_background();
            exit
        }
        Err(error) => complain(&error, Exit::Internal),
    }
}

/// Says what is wrong, on stderr, where logging may not have begun.
fn complain(error: &dyn std::fmt::Display, exit: Exit) -> Exit {
    for line in error.to_string().lines() {
        eprintln!("wicketgated: {line}");
    }
    exit
}
