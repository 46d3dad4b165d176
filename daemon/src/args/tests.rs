use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split_whitespace().map(OsString::from))
}

fn serve(line: &str) -> (Option<PathBuf>, bool) {
    match parse(line).expect(line).command {
        Command::Serve(Serve { config, debug }) => (config, debug),
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn gubernators_command_line_serves() {
    assert_eq!(serve("wicketgated"), (None, false));
    assert_eq!(serve("wicketgated --config a.conf --debug"), (Some("a.conf".into()), true));
    assert_eq!(serve("wicketgated -config a.conf -debug"), (Some("a.conf".into()), true));
    assert_eq!(serve("wicketgated -config=a.conf"), (Some("a.conf".into()), false));
    assert_eq!(serve("wicketgated serve --config a.conf"), (Some("a.conf".into()), false));
    assert_eq!(serve("wicketgated --debug serve"), (None, true));
}

#[test]
fn what_belongs_to_serve_is_refused_elsewhere() {
    let error = parse("wicketgated --config a.conf check -f b.yaml").expect_err("a conflict");
    assert_eq!(exit_of(&error), Exit::Usage);
    assert!(error.to_string().contains("belong to `serve`"), "{error}");
}

#[test]
fn logging_may_stand_anywhere() {
    for line in [
        "wicketgated --log-level debug --log-format json health",
        "wicketgated health --log-level DEBUG --log-format json",
    ] {
        let logging = parse(line).expect(line).logging;
        assert_eq!(
            (logging.log_level, logging.log_format),
            (Some(Level::Debug), Some(Format::Json)),
            "{line}"
        );
    }
}

#[test]
fn standalone_takes_several_paths() {
    let args = parse("wicketgated standalone -f a.yaml b -f c --http-address [::1]:80").expect("good");
    let Command::Standalone(standalone) = args.command else { panic!("{args:?}") };
    assert_eq!(standalone.files, [PathBuf::from("a.yaml"), "b".into(), "c".into()]);
    assert_eq!(standalone.http_address.as_str(), "[::1]:80");
    assert_eq!(standalone.grpc_address.as_str(), "localhost:1051");
}

#[test]
fn throttle_proxys_flag_works_with_one_dash_and_two() {
    for line in [
        "wicketgated proxy --config-file a.yaml --signal-interval 1s",
        "wicketgated proxy -config-file a.yaml --signal-interval=1s",
        "wicketgated proxy -config-file=a.yaml --signal-interval 1000ms",
    ] {
        let args = parse(line).expect(line);
        let Command::Proxy(proxy) = args.command else { panic!("{args:?}") };
        assert_eq!(proxy.config_file, PathBuf::from("a.yaml"), "{line}");
        assert_eq!(proxy.signal_interval, Some(Duration::from_secs(1)), "{line}");
    }
}

#[test]
fn bad_lines_end_with_64_and_say_why() {
    for (line, said) in [
        ("wicketgated standalone", "--file <PATH>"),
        ("wicketgated standalone -f a --grpc-address localhost", "has no port"),
        ("wicketgated proxy", "--config-file <PATH>"),
        ("wicketgated proxy --config-file a --signal-interval 1ms", "from 100ms to 1h"),
        ("wicketgated serv", "serve"),
        ("wicketgated --log-level loud", "allowed: error, warn"),
        ("wicketgated load --duration 2h", "at most 1h"),
        ("wicketgated load --items 1001", "from 1 to 1000"),
        ("wicketgated load --calls 5 --duration 1s", "cannot be used with"),
    ] {
        let error = parse(line).expect_err(line);
        assert_eq!(exit_of(&error), Exit::Usage, "{line}");
        assert!(error.to_string().contains(said), "{line}: {error}");
    }
}

#[test]
fn help_and_version_are_no_mistakes() {
    for line in ["wicketgated --help", "wicketgated --version", "wicketgated load --help"] {
        assert_eq!(exit_of(&parse(line).expect_err(line)), Exit::Ok, "{line}");
    }
    let help = parse("wicketgated --help").expect_err("help").to_string();
    for said in ["Examples:", "Exit codes:", "standalone", "completions"] {
        assert!(help.contains(said), "{help}");
    }
}

#[test]
fn completions_name_the_commands() {
    let mut script = Vec::new();
    write_completions(&Completions { shell: clap_complete::Shell::Bash }, &mut script);
    assert!(String::from_utf8_lossy(&script).contains("standalone"));
}
