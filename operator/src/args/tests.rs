use super::*;

/// `run` with these flags; the environment of the tests has none of our variables.
fn run(flags: &[&str]) -> Result<Run, String> {
    let words = ["wicketgate-operator", "run"].iter().chain(flags).map(OsString::from);
    match Args::try_parse_from(words) {
        Ok(Args { command: Command::Run(run) }) => Ok(*run),
        Ok(other) => panic!("{other:?}"),
        Err(error) => {
            assert_eq!(exit_of(&error), Exit::Usage);
            Err(error.to_string())
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_chart() {
    let run = run(&[]).unwrap();
    assert_eq!(run.daemon_image, DaemonImage::default());
    assert_eq!(run.daemon_image_pull_policy, PullSetting(None));
    assert_eq!(run.watch_namespaces, Namespaces::All);
    assert_eq!(run.admin_address.to_string(), ":8080");
    assert_eq!(run.lease_name.as_str(), "wicketgate-operator");
    assert!(run.leader_elect && run.read_secrets);
    assert_eq!(Duration::from(run.lease_duration), crate::lease::DURATION);
    assert_eq!(Duration::from(run.lease_renewal), crate::lease::RENEWAL);
    assert_eq!((run.log_level, run.log_format), (Level::Info, Format::Json));
    assert_eq!((run.pod_name, run.pod_namespace, run.cluster_manifest), (None, None, None));
}

#[test]
fn election_can_be_switched_off() {
    assert!(!run(&["--leader-elect=false"]).unwrap().leader_elect);
    assert!(run(&["--leader-elect=true"]).unwrap().leader_elect);
    assert!(run(&["--leader-elect"]).unwrap().leader_elect);
    assert!(run(&["--leader-elect=perhaps"]).is_err());
}

#[test]
fn reading_secrets_can_be_switched_off() {
    assert!(!run(&["--read-secrets=false"]).unwrap().read_secrets);
}

#[test]
fn what_is_wrong_is_named_with_the_way_out() {
    for (flags, message) in [
        (
            &["--admin-address=8080"][..],
            "invalid value '8080' for '--admin-address <HOST:PORT>': it must be HOST:PORT",
        ),
        (&["--daemon-image=a b"], "invalid value 'a b' for '--daemon-image <IMAGE>': a repository is"),
        (&["--daemon-image-pull-policy=Sometimes"], "it must be Always, IfNotPresent or Never"),
        (&["--watch-namespaces=edge,Team"], "\"Team\" is no name"),
        (&["--lease-name=A"], "\"A\" is no name"),
        (&["--lease-duration=1500ms"], "--lease-duration is 1s500ms: it must be whole seconds"),
        (&["--lease-duration=3s"], "--lease-renewal is 2s: it must be more than 0s and at most a third"),
        (&["--lease-renewal=0s"], "--lease-renewal is 0s"),
        (&["--log-level=loud"], "possible values: error, warn, info, debug, trace"),
    ] {
        let shown = run(flags).unwrap_err();
        assert!(shown.contains(message), "{flags:?}: {shown}");
    }
}

#[test]
fn the_command_line_is_consistent() {
    Args::command().debug_assert();
}
