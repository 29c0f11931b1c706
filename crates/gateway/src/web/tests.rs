//! The page over real connections: who gets in, and who does not.
use super::access::{Accounts, Need, Role};
use super::board::Board;
use super::route::{Route, routes};
use super::{Parts, Web};
use crate::clock::{self, Clock};
use crate::config::{CsvSetup, Selection, SinkKind, SinkSetup, WebSetup};
use crate::control::{Answer, Asked, Request};
use crate::event::{Event, EventCode};
use crate::sink::SinkStatus;
use crate::status::{Shown, Status};
use crate::store::{Store, StoreSetup};
use axum::http::Method;
use reqwest::header::{ACCEPT_LANGUAGE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// A page with a store and a state directory of its own.
struct Page {
    web: Web,
    client: Client,
    folder: tempfile::TempDir,
}

/// A sink that writes monthly files.
fn archive(folder: &Path) -> SinkSetup {
    SinkSetup {
        name: "archive".to_owned(),
        kind: SinkKind::Csv(CsvSetup::new(folder.join("csv"))),
        selection: Selection::default(),
    }
}

/// The first line of a monthly file.
const COLUMNS: &str = "DATUM_ZEIT;U_L1;U_L2;U_L3;I_L1;I_L2;I_L3;COS(PHI);P_ZU;P_AB;E_ZU;E_AB;T;RH;RSSI";

const PASSWORD: &str = "correct horse";

impl Page {
    fn start(setup: WebSetup) -> Self {
        Self::start_in(setup, tempfile::tempdir().unwrap())
    }

    fn start_in(setup: WebSetup, folder: tempfile::TempDir) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut status = Status::new([("haus", "/dev/ttyUSB0".to_owned())].into_iter());
        status.sinks.insert("archive".to_owned(), SinkStatus::default());
        let status = watch::Sender::new(Arc::new(status));
        let (requests, mut asked) = mpsc::channel::<Asked>(1);
        tokio::spawn(async move {
            while let Some(Asked { request, answer }) = asked.recv().await {
                let _ = answer.send(match request {
                    Request::Pause { sink } if sink == "archive" => Answer::Done(String::new()),
                    _ => Answer::Refused("there is no such sink".to_owned()),
                });
            }
        });
        let (store, _) = Store::open(&StoreSetup::new(folder.path().join("metergate.db"))).unwrap();
        let parts = Parts {
            board: Arc::new(Board::new(["haus"].into_iter())),
            store,
            state_directory: Some(folder.path().to_owned()),
            folders: super::folders(&[archive(folder.path())], &["haus"]),
            shown: Shown::new(Clock::start(), status.subscribe()),
            requests,
        };
        let setup = WebSetup { listen: "127.0.0.1:0".parse().unwrap(), ..setup };
        let event = Event {
            seq: 0,
            at: clock::time_of_day(),
            code: EventCode::Silent,
            about: Some("haus".into()),
            detail: "for 5 min".to_owned(),
            count: 1,
        };
        parts.store.event(event);
        assert!(parts.store.flush_blocking(Duration::from_secs(60)));
        let web = Web::start(&setup, parts).unwrap();
        let client = Client::builder().redirect(Policy::none()).no_proxy().build().unwrap();
        Self { web, client, folder }
    }

    /// With an owner and a viewer who have passwords.
    fn with_accounts() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let accounts = Accounts::load(Some(folder.path())).unwrap();
        for (name, role) in [("owner", Role::Owner), ("anna", Role::Viewer)] {
            accounts.set(name, role, PASSWORD).unwrap().unwrap();
        }
        Self::start_in(WebSetup::default(), folder)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.web.address)
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Response {
        self.ask(Method::GET, path, headers, &[]).await
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Response {
        self.ask(Method::POST, path, headers, fields).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Response {
        let mut request = self.client.request(method, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !fields.is_empty() {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        }
        request.send().await.unwrap()
    }

    /// Logs in and returns the cookie.
    async fn log_in(&self, name: &str, password: &str) -> Option<String> {
        let answer = self.post("/login", &[], &[("name", name), ("password", password)]).await;
        if answer.status() != StatusCode::SEE_OTHER {
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            return None;
        }
        Some(cookie(&answer))
    }
}

/// A path of a route.
fn path(route: &Route) -> String {
    route.path.replace("{sink}", "archive").replace("{meter}", "haus").replace("{name}", "none")
}

fn cookie(answer: &Response) -> String {
    let set = answer.headers()[SET_COOKIE].to_str().unwrap();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    set.split(';').next().unwrap().to_owned()
}

fn location(answer: &Response) -> &str {
    answer.headers()[LOCATION].to_str().unwrap()
}

/// A name of this gateway as a browser elsewhere has it.
const ELSEWHERE: (&str, &str) = ("host", "gateway.local:8080");

#[tokio::test]
async fn before_there_is_a_password_this_host_alone_is_served_and_others_need_the_set_up_code() {
    let page = Page::start(WebSetup::default());
    assert_eq!(page.get("/", &[]).await.status(), StatusCode::OK);
    assert_eq!(location(&page.get("/", &[ELSEWHERE]).await), "/welcome");
    for header in [("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1"), ("x-ingress-path", "/x")]
    {
        let answer = page.get("/", &[header]).await;
        assert_eq!(location(&answer), "/welcome", "{header:?} from nobody that is configured");
    }
    assert!(page.get("/welcome", &[ELSEWHERE]).await.text().await.unwrap().contains("Set-up code"));
    let fields = [("code", "AAAA-AAAA"), ("password", PASSWORD), ("again", PASSWORD)];
    let answer = page.post("/welcome", &[ELSEWHERE], &fields).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);

    let answer = page.post("/welcome", &[], &[("password", "short"), ("again", "short")]).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text().await.unwrap().contains("at least 8 characters"));
    let answer = page.post("/welcome", &[], &[("password", PASSWORD), ("again", "another")]).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);

    let answer = page.post("/welcome", &[], &[("password", PASSWORD), ("again", PASSWORD)]).await;
    assert_eq!(location(&answer), "/");
    let session = cookie(&answer);
    assert_eq!(page.get("/", &[(COOKIE.as_str(), &session)]).await.status(), StatusCode::OK);
    // From now on this host has to log in too.
    assert_eq!(location(&page.get("/account?a=1", &[]).await), "/login?next=%2Faccount%3Fa%3D1");
    let answer = page.post("/welcome", &[], &[("password", "another one"), ("again", "another one")]).await;
    assert_eq!(answer.status(), StatusCode::CONFLICT, "the first password is not replaced");
}

#[tokio::test]
async fn a_login_opens_a_session_that_a_restart_keeps_and_a_logout_ends() {
    let page = Page::with_accounts();
    assert_eq!(page.log_in("owner", "wrong horse").await, None);
    assert_eq!(page.log_in("nobody", PASSWORD).await, None);
    let session = page.log_in("owner", PASSWORD).await.unwrap();
    let headers = [(COOKIE.as_str(), session.as_str())];
    assert_eq!(page.get("/", &headers).await.status(), StatusCode::OK);

    let Page { web, folder, .. } = page;
    drop(web);
    let page = Page::start_in(WebSetup::default(), folder);
    assert_eq!(page.get("/", &headers).await.status(), StatusCode::OK);
    assert_eq!(location(&page.post("/logout", &headers, &[]).await), "/login");
    assert_eq!(location(&page.get("/", &headers).await), "/login?next=%2F");
}

#[tokio::test]
async fn a_login_leads_to_where_somebody_wanted_to_go_and_never_to_another_host() {
    let page = Page::with_accounts();
    for (next, expected) in [("/account", "/account"), ("//evil.example", "/"), ("https://evil.example", "/")]
    {
        let fields = [("name", "owner"), ("password", PASSWORD), ("next", next)];
        assert_eq!(location(&page.post("/login", &[], &fields).await), expected);
    }
}

#[tokio::test]
async fn row_55_every_route_that_changes_something_refuses_who_may_not() {
    let page = Page::with_accounts();
    let viewer = page.log_in("anna", PASSWORD).await.unwrap();
    let owner = page.log_in("owner", PASSWORD).await.unwrap();
    let changing: Vec<_> = routes().into_iter().filter(|route| route.method != Method::GET).collect();
    assert!(changing.len() >= 7, "{}", changing.len());
    for route in changing {
        let Need::Role(role) = route.need else { continue };
        let about = format!("{} {}", route.method, route.path);
        let anonymous = page.ask(route.method.clone(), &path(&route), &[], &[]).await;
        assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED, "{about} by nobody");
        let token = [("authorization", "Bearer mg_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
        let foreign = page.ask(route.method.clone(), &path(&route), &token, &[]).await;
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::TOO_MANY_REQUESTS];
        assert!(refused.contains(&foreign.status()), "{about} with a foreign token: {}", foreign.status());
        let cookie = [(COOKIE.as_str(), viewer.as_str())];
        if role == Role::Owner {
            let seen = page.ask(route.method.clone(), &path(&route), &cookie, &[]).await;
            assert_eq!(seen.status(), StatusCode::FORBIDDEN, "{about} by a viewer");
        }
        let elsewhere = [cookie[0], (ORIGIN.as_str(), "http://evil.example")];
        let forged = page.ask(route.method.clone(), &path(&route), &elsewhere, &[]).await;
        assert_eq!(forged.status(), StatusCode::FORBIDDEN, "{about} from a page elsewhere");
        // No state is changed by GET.
        let got =
            page.ask(Method::GET, &path(&route), &[(COOKIE.as_str(), owner.as_str())], &[]).await.status();
        assert!([405, 200, 404].contains(&got.as_u16()), "{about}: GET gives {got}");
    }
}

#[tokio::test]
async fn every_route_that_shows_something_asks_for_a_login() {
    let page = Page::with_accounts();
    for route in routes().into_iter().filter(|route| route.method == Method::GET) {
        let answer = page.get(&path(&route), &[]).await;
        if route.need == Need::Nothing {
            let to = answer.headers().get(LOCATION).map_or("", |to| to.to_str().unwrap());
            assert!(!to.starts_with("/login"), "{} leads to {to}", route.path);
        } else {
            assert!(location(&answer).starts_with("/login?next="), "{}", route.path);
        }
    }
}

#[tokio::test]
async fn who_guesses_has_to_wait() {
    let page = Page::with_accounts();
    // Six tries at once and one in ten seconds: a slow machine may have some more.
    let mut last = StatusCode::OK;
    for _ in 0..60 {
        last = page.post("/login", &[], &[("name", "owner"), ("password", "guess")]).await.status();
        if last == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
    let answer = page.post("/login", &[], &[("name", "owner"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "the right one has to wait too");
    let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_token_does_what_its_role_may_and_is_shown_once() {
    let page = Page::with_accounts();
    let session = page.log_in("owner", PASSWORD).await.unwrap();
    let headers = [(COOKIE.as_str(), session.as_str())];
    let answer = page.post("/account/token", &headers, &[("name", "grafana"), ("role", "viewer")]).await;
    assert_eq!(answer.status(), StatusCode::CREATED);
    let text = answer.text().await.unwrap();
    let start = text.find("mg_").unwrap();
    let bearer = format!("Bearer {}", &text[start..start + 46]);
    let token = [("authorization", bearer.as_str())];
    assert_eq!(page.get("/", &token).await.status(), StatusCode::OK);
    let answer = page.post("/account/token", &token, &[("name", "more"), ("role", "owner")]).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let text = page.get("/account", &headers).await.text().await.unwrap();
    assert!(text.contains("grafana") && !text.contains("mg_"));
    page.post("/account/token/remove", &headers, &[("name", "grafana")]).await;
    assert_eq!(page.get("/", &token).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_new_password_logs_every_other_device_out() {
    let page = Page::with_accounts();
    let (here, there) =
        (page.log_in("owner", PASSWORD).await.unwrap(), page.log_in("owner", PASSWORD).await.unwrap());
    let headers = [(COOKIE.as_str(), here.as_str())];
    let typed = |current| [("current", current), ("password", "battery staple"), ("again", "battery staple")];
    let answer = page.post("/account/password", &headers, &typed("wrong")).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let answer = page.post("/account/password", &headers, &typed(PASSWORD)).await;
    assert_eq!(location(&answer), "/account");
    let new = cookie(&answer);
    assert_eq!(page.get("/", &[(COOKIE.as_str(), &new)]).await.status(), StatusCode::OK);
    assert_eq!(location(&page.get("/", &[(COOKIE.as_str(), &there)]).await), "/login?next=%2F");
    assert_eq!(page.log_in("owner", PASSWORD).await, None);
}

#[tokio::test]
async fn home_assistant_lets_its_people_in_below_its_own_path() {
    let setup = WebSetup { ingress_from: vec!["127.0.0.1".parse().unwrap()], ..WebSetup::default() };
    let page = Page::start(setup);
    let answer = page.get("/", &[("x-ingress-path", "/api/hassio_ingress/abc")]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let text = answer.text().await.unwrap();
    assert!(text.contains("data-events=\"/api/hassio_ingress/abc/live/events\""), "{text}");
    for link in text.split("=\"/").skip(1) {
        assert!(link.starts_with("api/hassio_ingress/abc/"), "a link beside the path: {link}");
    }
}

#[tokio::test]
async fn every_answer_tells_the_browser_to_be_careful_and_pages_are_small() {
    let page = Page::with_accounts();
    for path in ["/login", "/", "/nothing", "/health"] {
        let answer = page.get(path, &[]).await;
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers()["cache-control"], "no-store");
    }
    let german = page.get("/login", &[(ACCEPT_LANGUAGE.as_str(), "de-AT")]).await.text().await.unwrap();
    assert!(german.contains("<html lang=\"de\">") && german.contains("Passwort"));

    let mut bytes = 0;
    let page_text = page.get("/login", &[]).await.text().await.unwrap();
    let assets = page_text.split('"').filter(|piece| piece.starts_with("/assets/"));
    for path in std::iter::once("/login").chain(assets) {
        let answer = page.get(path, &[("accept-encoding", "gzip")]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        bytes += answer.bytes().await.unwrap().len();
    }
    assert!(bytes <= 60_000, "{bytes} bytes for the first view");
}

#[tokio::test]
async fn row_44_monthly_files_are_listed_fetched_deleted_and_put_in_by_who_may() {
    let page = Page::with_accounts();
    let csv = page.folder.path().join("csv");
    std::fs::create_dir(&csv).unwrap();
    for month in ["2026_02", "2026_03", "2026_04"] {
        std::fs::write(csv.join(format!("{month}.CSV")), format!("{COLUMNS}\n1;2;3\n")).unwrap();
    }
    std::fs::write(page.folder.path().join("secret.CSV"), "secret").unwrap();
    let at = |name: &str| format!("/files/archive/haus/{name}");
    assert!(location(&page.get(&at("2026_03.CSV"), &[]).await).starts_with("/login"), "a login is needed");
    let viewer = page.log_in("anna", PASSWORD).await.unwrap();
    let owner = page.log_in("owner", PASSWORD).await.unwrap();
    let viewer = [(COOKIE.as_str(), viewer.as_str())];
    let owner = [(COOKIE.as_str(), owner.as_str())];

    let text = page.get("/files", &viewer).await.text().await.unwrap();
    for part in ["2026_04.CSV", "being written", "B free", "used of"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("<button type=\"submit\" aria-label=\"Delete"), "a viewer deletes nothing");
    let file = page.get(&at("2026_03.CSV"), &viewer).await;
    assert_eq!(file.headers()["content-disposition"], "attachment; filename=\"2026_03.CSV\"");
    assert_eq!(file.text().await.unwrap(), format!("{COLUMNS}\n1;2;3\n"));
    for name in
        ["..%2Fsecret.CSV", "%2e%2e%2fsecret.CSV", "..%2F..%2Fetc%2Fpasswd", "secret.CSV", "2026_03.CSV%00"]
    {
        let answer = page.get(&at(name), &owner).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{name}");
        let name = name.replace("%2F", "/").replace("%2e", ".").replace("%2f", "/");
        let answer = page.post(&at("delete"), &owner, &[("name", &name)]).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{name}");
    }
    assert!(page.folder.path().join("secret.CSV").exists());

    // Only a POST changes something, and only that of an owner.
    let got = page.get(&at("delete?name=2026_02.CSV"), &owner).await;
    assert_eq!(got.status(), StatusCode::METHOD_NOT_ALLOWED);
    let refused = page.post(&at("delete"), &viewer, &[("name", "2026_02.CSV")]).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(csv.join("2026_02.CSV").exists());
    let done = page.post(&at("delete"), &owner, &[("name", "2026_02.CSV")]).await;
    assert_eq!(location(&done), "/files");
    assert!(!csv.join("2026_02.CSV").exists());
    let latest = page.post(&at("delete"), &owner, &[("name", "2026_04.CSV")]).await;
    assert_eq!(latest.status(), StatusCode::CONFLICT);

    let upload = async |name: &str, content: &str, who: (&str, &str)| {
        let body = format!(
            "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n{content}\r\n--b--\r\n"
        );
        let request = page.client.post(page.url(&at("upload"))).header(who.0, who.1);
        let request = request.header("content-type", "multipart/form-data; boundary=b").body(body);
        request.send().await.unwrap().status()
    };
    let content = format!("{COLUMNS}\n1;2;3\n");
    assert_eq!(upload("2026_02.CSV", &content, viewer[0]).await, StatusCode::FORBIDDEN);
    for (name, content, expected) in [
        ("../2026_02.CSV", content.as_str(), StatusCode::UNPROCESSABLE_ENTITY),
        ("2026_03.CSV", &content, StatusCode::CONFLICT),
        ("2027_01.CSV", &content, StatusCode::CONFLICT),
        ("2026_02.CSV", "a;b\n", StatusCode::UNPROCESSABLE_ENTITY),
        ("2026_02.CSV", &content, StatusCode::SEE_OTHER),
    ] {
        assert_eq!(upload(name, content, owner[0]).await, expected, "{name}");
    }
    assert_eq!(std::fs::read_to_string(csv.join("2026_02.CSV")).unwrap(), content);
    assert_eq!(std::fs::read_dir(&csv).unwrap().count(), 3, "nothing is left of what was refused");
}

#[tokio::test]
async fn the_state_tells_meters_sinks_and_events_and_an_owner_pauses_a_sink() {
    let page = Page::with_accounts();
    let viewer = page.log_in("anna", PASSWORD).await.unwrap();
    let owner = page.log_in("owner", PASSWORD).await.unwrap();
    let viewer = [(COOKIE.as_str(), viewer.as_str()), (ACCEPT_LANGUAGE.as_str(), "de")];
    let owner = [(COOKIE.as_str(), owner.as_str())];
    let text = page.get("/state?severity=error&word=haus", &viewer).await.text().await.unwrap();
    for part in
        ["wartet auf das erste Telegramm", "/dev/ttyUSB0", "Es kommt kein Byte.", "for 5 min", "archive"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("Anhalten"), "a viewer pauses nothing");
    let text = page.get("/state?word=nothing-like-it", &viewer).await.text().await.unwrap();
    assert!(text.contains("Nichts dergleichen.") && !text.contains("for 5 min"));
    assert_eq!(location(&page.post("/sinks/archive/pause", &owner, &[]).await), "/state");
    let answer = page.post("/sinks/none/resume", &owner, &[]).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert!(answer.text().await.unwrap().contains("there is no such sink"));
}
