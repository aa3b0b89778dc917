use super::{TargetError, TargetPolicy};

use TargetError::{Address, Credentials, HttpsOnly, Invalid, Name, Port, Scheme, TooLong};

const ALLOWED: [(&str, &str); 6] = [
    ("https://hooks.example.com/x", "https://hooks.example.com/x"),
    ("https://93.184.216.34/", "https://93.184.216.34/"),
    ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
    ("https://example.com:8443/a", "https://example.com:8443/a"),
    ("https://1.1.1.1.", "https://1.1.1.1/"),
    // What the address is to the parser that reqwest shares; the normalised form says so.
    (r"https://example.com\@169.254.169.254/", "https://example.com/@169.254.169.254/"),
];

const REFUSED: [(&str, TargetError); 52] = [
    ("http://example.com/", HttpsOnly),
    ("ftp://example.com/", HttpsOnly),
    ("file:///etc/passwd", HttpsOnly),
    ("gopher://127.0.0.1:6379/_x", HttpsOnly),
    ("https://localhost/", Name),
    ("https://LOCALHOST./", Name),
    ("https://foo.localhost/", Name),
    ("https://metadata.google.internal/", Name),
    ("https://127.0.0.1/", Address),
    ("https://127.1/", Address),
    ("https://2130706433/", Address),
    ("https://0x7f000001/", Address),
    ("https://017700000001/", Address),
    ("https://0x7f.1/", Address),
    ("https://0.0.0.0/", Address),
    ("https://0/", Address),
    ("https://10.0.0.1/", Address),
    ("https://172.16.5.4/", Address),
    ("https://192.168.1.1/", Address),
    ("https://100.64.0.1/", Address),
    ("https://169.254.169.254/latest/meta-data/", Address),
    ("https://169.254.170.2/", Address),
    ("https://168.63.129.16/", Address),
    ("https://198.18.0.1/", Address),
    ("https://224.0.0.1/", Address),
    ("https://240.0.0.1/", Address),
    ("https://255.255.255.255/", Address),
    ("https://[::]/", Address),
    ("https://[::1]/", Address),
    ("https://[::ffff:127.0.0.1]/", Address),
    ("https://[::ffff:a9fe:a9fe]/", Address),
    ("https://[::127.0.0.1]/", Address),
    ("https://[64:ff9b::169.254.169.254]/", Address),
    ("https://[64:ff9b:1::a00:1]/", Address),
    ("https://[2002:7f00:1::]/", Address),
    ("https://[2001::80ff:fffe]/", Address),
    ("https://[fe80::1]/", Address),
    ("https://[fe80::1%25eth0]/", Invalid),
    ("https://[fc00::1]/", Address),
    ("https://[fd00:ec2::254]/", Address),
    ("https://[ff02::1]/", Address),
    ("https://[2001:db8::1]/", Address),
    ("https://user:pw@example.com/", Credentials),
    ("https://example.com@127.0.0.1/", Credentials),
    ("https://example.com:22/", Port),
    ("https://127.0.0.1%2f.example.com/", Invalid),
    ("https://①②⑦.⓪.⓪.①/", Address),
    ("https://127。0。0。1/", Address),
    ("https://%31%32%37.0.0.1/", Address),
    ("https://127.0.0.1\t/", Address),
    ("https://intranet/", Name),
    ("https:///x", Name),
];

fn strict() -> TargetPolicy {
    TargetPolicy::new(false, vec![])
}

fn exempting(networks: &[&str]) -> TargetPolicy {
    TargetPolicy::new(true, networks.iter().map(|text| text.parse().unwrap()).collect())
}

fn verdict(policy: &TargetPolicy, url: &str) -> Result<(), TargetError> {
    policy.parse(url).map(drop)
}

#[test]
fn the_battery_is_allowed_in_its_normal_form() {
    for (url, normal) in ALLOWED {
        assert_eq!(strict().parse(url).unwrap().as_str(), normal);
    }
}

#[test]
fn the_battery_is_refused_for_the_right_reason() {
    for (url, reason) in REFUSED {
        assert_eq!(verdict(&strict(), url), Err(reason), "{url}");
    }
}

#[test]
fn every_private_name_is_refused_alone_below_and_with_a_trailing_dot() {
    for name in super::PRIVATE_NAMES {
        for host in [name.to_owned(), format!("a.b.{name}"), format!("a.{name}.").to_uppercase()] {
            assert_eq!(verdict(&strict(), &format!("https://{host}/")), Err(Name), "{host}");
        }
    }
    for host in ["notlocalhost.com", "local.example.com", "mylan.org", "svc.dev"] {
        assert_eq!(verdict(&strict(), &format!("https://{host}/")), Ok(()), "{host}");
    }
}

#[test]
fn plain_http_is_accepted_only_when_allowed_and_no_other_scheme_ever() {
    let lenient = exempting(&[]);
    assert_eq!(verdict(&lenient, "http://example.com/"), Ok(()));
    assert_eq!(verdict(&lenient, "https://example.com/"), Ok(()));
    assert_eq!(verdict(&lenient, "http://127.0.0.1/"), Err(Address));
    for url in ["ftp://example.com/", "javascript:alert(1)", "file:///etc/passwd", "data:,x"] {
        assert_eq!(verdict(&lenient, url), Err(Scheme), "{url}");
    }
}

#[test]
fn ports_of_other_protocols_are_refused() {
    let lenient = exempting(&["10.0.0.0/8"]);
    for (policy, url, expected) in [
        (&strict(), "https://example.com:443/", Ok(())),
        (&strict(), "https://example.com:1024/", Ok(())),
        (&strict(), "https://example.com:65535/", Ok(())),
        (&strict(), "https://example.com:80/", Err(Port)),
        (&strict(), "https://example.com:0/", Err(Port)),
        (&strict(), "https://example.com:1023/", Err(Port)),
        (&lenient, "http://example.com:80/", Ok(())),
        (&lenient, "http://example.com:25/", Err(Port)),
        (&lenient, "http://93.184.216.34:25/", Err(Port)),
        (&lenient, "http://10.1.2.3:25/", Ok(())),
    ] {
        assert_eq!(verdict(policy, url), expected, "{url}");
    }
}

#[test]
fn an_exempt_network_is_allowed_and_nothing_beside_it() {
    let policy = exempting(&["10.1.0.0/16", "fd00::/8"]);
    for url in ["http://10.1.255.255/", "http://[::ffff:10.1.0.1]/", "http://[fd12::1]/"] {
        assert_eq!(verdict(&policy, url), Ok(()), "{url}");
    }
    for url in ["http://10.2.0.0/", "http://[::ffff:10.2.0.1]/", "http://[fc00::1]/"] {
        assert_eq!(verdict(&policy, url), Err(Address), "{url}");
    }
    assert!(policy.allows("10.1.2.3".parse().unwrap()));
    assert!(!policy.allows("127.0.0.1".parse().unwrap()));
}

#[test]
fn an_ipv4_mapped_exemption_means_the_ipv4_network() {
    let policy = exempting(&["::ffff:10.0.0.0/104"]);
    for addr in ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"] {
        assert!(policy.allows(addr.parse().unwrap()), "{addr}");
    }
    assert!(!policy.allows("172.16.0.1".parse().unwrap()));
}

#[test]
fn an_exemption_of_all_ipv6_does_not_open_ipv4_by_its_mapped_spelling() {
    let policy = exempting(&["::/0"]);
    assert!(policy.allows("::1".parse().unwrap()));
    assert!(!policy.allows("::ffff:127.0.0.1".parse().unwrap()));
}

#[test]
fn localhost_is_accepted_by_name_where_loopback_is_exempt() {
    for network in ["127.0.0.0/8", "127.0.0.1/32", "::1/128", "0.0.0.0/0"] {
        let policy = exempting(&[network]);
        for url in ["http://localhost:8080/", "http://foo.localhost./"] {
            assert_eq!(verdict(&policy, url), Ok(()), "{network} {url}");
        }
        for url in ["http://intranet/", "http://db.internal/", "http://printer.local/"] {
            assert_eq!(verdict(&policy, url), Err(Name), "{network} {url}");
        }
    }
    assert_eq!(verdict(&exempting(&["10.0.0.0/8"]), "http://localhost/"), Err(Name));
}

#[test]
fn surrounding_space_and_the_fragment_are_dropped() {
    let url = strict().parse(" \n https://example.com/a?b=c#secret \t").unwrap();
    assert_eq!(url.as_str(), "https://example.com/a?b=c");
}

#[test]
fn a_url_is_at_most_2048_characters_as_given_and_as_stored() {
    let path = |n: usize, c: &str| format!("https://example.com/{}", c.repeat(n));
    assert_eq!(verdict(&strict(), &path(2028, "a")), Ok(()));
    assert_eq!(verdict(&strict(), &path(2029, "a")), Err(TooLong));
    assert_eq!(verdict(&strict(), &path(1000, "ü")), Err(TooLong));
}

#[test]
fn text_that_is_no_url_is_refused() {
    for text in ["", "   ", "example.com", "/x", "https://", "https://a b.com/", "https://[::1/"] {
        assert_eq!(verdict(&strict(), text), Err(Invalid), "{text:?}");
    }
}

#[test]
fn whatever_parse_returns_passes_the_check_before_the_send() {
    let lenient = exempting(&["127.0.0.0/8"]);
    for url in ALLOWED.map(|(url, _)| url).into_iter().chain(["http://127.0.0.1:25/"]) {
        let url = lenient.parse(url).unwrap();
        assert_eq!(lenient.check(&url), Ok(()));
        assert_eq!(lenient.parse(url.as_str()), Ok(url));
    }
}
