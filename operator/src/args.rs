//! The command line and the environment: what may be written, and nothing of what is then done.

mod exit;
mod value;

use std::{ffi::OsString, time::Duration};

use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind};
use crds::duration::GoDuration;

pub use self::{
    exit::Exit,
    value::{DaemonImage, ListenAddress, Namespaces, ObjectLabel, PullSetting, ValueError},
};
use crate::telemetry::{Format, Level};

/// Sets up Wicketgate on Kubernetes.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "wicketgate-operator",
    version,
    after_help = "Examples:
  wicketgate-operator crds | kubectl apply --server-side -f -
      teaches a Kubernetes cluster the three kinds; then apply a file of examples/
  wicketgate-operator run --log-format=text
      reconciles them, from a pod or from wherever KUBECONFIG leads

Exit codes:
  0   done
  64  the command line or the environment is wrong
  69  the API server is out of reach or refuses us, leadership was lost, or the port is taken
  70  something failed that should not"
)]
pub struct Args {
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// What is to be done.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Reconcile RateLimitClusters, RateLimits and BackpressurePolicies until told to stop
    Run(Box<Run>),
    /// Print the definitions of RateLimitCluster, RateLimit and BackpressurePolicy as YAML.
    ///
    /// Apply them on the server's side: `kubectl apply` on the client's side keeps a copy in an
    /// annotation, which definitions of this size outgrow.
    #[command(after_help = "Example:
  wicketgate-operator crds | kubectl apply --server-side -f -")]
    Crds,
}

/// Arguments of `run`.
#[derive(Clone, Debug, PartialEq, clap::Args)]
#[command(after_help = "\
Examples:
  wicketgate-operator run
  wicketgate-operator run --watch-namespaces=edge,team-a --leader-elect=false --log-format=text

Several may run at once: one leads, the others stand by and take over within seconds. SIGTERM ends what is \
being done, gives the lease back and exits with 0; a leader that loses its lease exits with 69, to be started \
again. A variable that is set and empty counts as not set.")]
pub struct Run {
    /// Image of the daemon, for clusters that name none
    #[arg(long, env = "WICKETGATE_DAEMON_IMAGE", value_name = "IMAGE", default_value_t)]
    pub daemon_image: DaemonImage,
    /// When nodes pull that image: Always, IfNotPresent or Never [default: as each cluster says]
    #[arg(
        long,
        env = "WICKETGATE_DAEMON_IMAGE_PULL_POLICY",
        value_name = "POLICY",
        default_value = "",
        hide_default_value = true
    )]
    pub daemon_image_pull_policy: PullSetting,
    /// Namespaces to look at, with commas between them [default: all]
    #[arg(
        long,
        env = "WICKETGATE_WATCH_NAMESPACES",
        value_name = "NAMES",
        default_value = "",
        hide_default_value = true
    )]
    pub watch_namespaces: Namespaces,
    /// Whether Secrets that policies name may be read, which takes the right to do so
    #[arg(
        long,
        env = "WICKETGATE_READ_SECRETS",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true"
    )]
    pub read_secrets: bool,
    /// Where /metrics, /livez and /readyz are served; without a host, on all interfaces
    #[arg(long, env = "WICKETGATE_ADMIN_ADDRESS", value_name = "HOST:PORT", default_value = ":8080")]
    pub admin_address: ListenAddress,
    /// Whether to work only while holding the lease; without it, no two may run
    #[arg(
        long,
        env = "WICKETGATE_LEADER_ELECT",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true"
    )]
    pub leader_elect: bool,
    /// Name of the lease, in the namespace of the pod
    #[arg(long, env = "WICKETGATE_LEASE_NAME", value_name = "NAME", default_value = "wicketgate-operator")]
    pub lease_name: ObjectLabel,
    /// How long a lease that is not renewed keeps others away; whole seconds
    #[arg(long, env = "WICKETGATE_LEASE_DURATION", value_name = "DURATION", default_value = "10s")]
    pub lease_duration: GoDuration,
    /// How often the lease is renewed; at most a third of its duration
    #[arg(long, env = "WICKETGATE_LEASE_RENEWAL", value_name = "DURATION", default_value = "2s")]
    pub lease_renewal: GoDuration,
    /// How long to wait for the API server at the start
    #[arg(long, env = "WICKETGATE_API_TIMEOUT", value_name = "DURATION", default_value = "2m")]
    pub api_timeout: GoDuration,
    /// ConfigMap with a first RateLimitCluster to apply, under the key cluster.yaml; the chart makes it
    #[arg(long, env = "WICKETGATE_CLUSTER_MANIFEST", value_name = "NAME")]
    pub cluster_manifest: Option<ObjectLabel>,
    /// Name of this pod, which must be no other's [default: one made up]
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: Option<ObjectLabel>,
    /// Namespace of this pod [default: that of the service account, or of the kubeconfig's context]
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub pod_namespace: Option<ObjectLabel>,
    /// How much is logged
    #[arg(long, env = "WICKETGATE_LOG_LEVEL", value_name = "LEVEL", value_enum, default_value_t)]
    pub log_level: Level,
    /// What a line of the log looks like
    #[arg(long, env = "WICKETGATE_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: Format,
}

impl Args {
    /// Parses a command line, the program's name first, and the environment.
    ///
    /// # Errors
    /// Where it is wrong, or asks for help or the version; `clap::Error::print` shows it and
    /// [`exit_of`] says how to end.
    pub fn try_parse_from(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let mut command = unset_empty(Self::command());
        let matches = command.try_get_matches_from_mut(words)?;
        let args = Self::from_arg_matches(&matches)?;
        if let Command::Run(run) = &args.command {
            run.check().map_err(|message| command.error(ErrorKind::ValueValidation, message))?;
        }
        Ok(args)
    }
}

impl Run {
    /// What single values cannot say.
    fn check(&self) -> Result<(), String> {
        const LONGEST: Duration = Duration::from_secs(600);
        let (duration, renewal) = (Duration::from(self.lease_duration), Duration::from(self.lease_renewal));
        if duration.subsec_nanos() != 0 || duration.is_zero() || duration > LONGEST {
            return Err(format!(
                "--lease-duration is {}: it must be whole seconds, from 1s to 10m",
                self.lease_duration
            ));
        }
        if renewal.is_zero() || renewal > duration / 3 {
            return Err(format!(
                "--lease-renewal is {}: it must be more than 0s and at most a third of --lease-duration, {}",
                self.lease_renewal, self.lease_duration
            ));
        }
        Ok(())
    }
}

/// Charts and shells set variables to nothing where they mean not to set them.
fn unset_empty(command: clap::Command) -> clap::Command {
    command.mut_subcommand("run", |run| {
        run.mut_args(|arg| {
            let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
            if empty { arg.env(None::<&str>) } else { arg }
        })
    })
}

/// How to end after `error` has been shown: help and version are no errors.
#[must_use]
pub fn exit_of(error: &clap::Error) -> Exit {
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}

#[cfg(test)]
mod tests;
