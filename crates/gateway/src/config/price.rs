//! Reads what a kWh costs, earns and emits.
use super::endpoint::{self, EndpointSetup};
use super::node::{Node, Value};
use super::section::Section;
use jiff::tz::TimeZone;
use metergate_reading::Number;
use metergate_tariff::{Rule, Schedule, TARIFFS_MAX, Weekday, Weekdays};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Keys of `[default.price]` of which one says what a kWh costs.
const RATES: &[&str] = &["fixed", "time_of_use", "file", "url"];

/// Name of the file in the state directory that keeps what was fetched.
const FETCHED_NAME: &str = "prices.csv";

/// How often prices are fetched when nobody says it: those of the next day come once a day, at no exact time.
const REFRESH: Duration = Duration::from_secs(3600);

/// Longest name of a currency: a code of ISO 4217 has three letters, some count in `cent` or `credits`.
const CURRENCY_LEN_MAX: usize = 8;

/// What energy costs, earns and emits. Reports are made with it; the daemon needs none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceSetup {
    /// The currency of all prices, as it is shown.
    pub currency: String,
    /// The zone whose days and months are counted; `None`: the system's.
    pub zone: Option<TimeZone>,
    /// What a kWh costs, in the currency.
    pub energy: Option<Rate>,
    /// What a kWh that is fed in earns.
    pub feed_in: Option<Number>,
    /// What each month costs before the first kWh.
    pub base_per_month: Option<Number>,
    /// The CO2 of a kWh in g.
    pub co2: Option<Rate>,
}

impl Default for PriceSetup {
    fn default() -> Self {
        Self {
            currency: "EUR".to_owned(),
            zone: None,
            energy: None,
            feed_in: None,
            base_per_month: None,
            co2: None,
        }
    }
}

/// What belongs to a kWh: a price, or an amount of CO2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rate {
    /// At all times the same.
    Fixed(Number),
    /// By the local clock.
    TimeOfUse(TimeOfUse),
    /// Lines `start;end;price` of a file, which is read when a report is made.
    File(PathBuf),
    /// The same lines, fetched by HTTP.
    Url(PriceFeedSetup),
}

/// Where prices are fetched and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceFeedSetup {
    /// Where they are.
    pub endpoint: EndpointSetup,
    /// How often they are fetched.
    pub refresh: Duration,
    /// Where they are kept.
    pub file: PathBuf,
}

/// What `check-config` says of it.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(number) => write!(f, "{number} at all times"),
            Self::TimeOfUse(table) => {
                let number = table.prices.len();
                write!(f, "{number} price{} by weekday and hour", if number == 1 { "" } else { "s" })
            }
            Self::File(path) => write!(f, "from {}", path.display()),
            Self::Url(PriceFeedSetup { endpoint, refresh, file }) => {
                let refresh = jiff::SignedDuration::try_from(*refresh).unwrap_or(jiff::SignedDuration::MAX);
                let (trust, file) = (endpoint.trust_text(), file.display());
                write!(f, "from {endpoint}{trust}, each {refresh:#}, kept in {file}")
            }
        }
    }
}

/// Prices by weekday and hour. Its rules make a valid [`Schedule`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeOfUse {
    rules: Vec<Rule>,
    /// The price of tariff 1, 2 and so on.
    prices: Vec<Number>,
    /// The tariff of all other hours.
    otherwise: u8,
}

impl TimeOfUse {
    /// Which tariff is valid when.
    #[must_use]
    pub fn schedule(&self) -> Option<Schedule<'_>> {
        Schedule::new(&self.rules, self.otherwise).ok()
    }

    /// The price of a tariff of the schedule.
    #[must_use]
    pub fn price(&self, tariff: u8) -> Option<Number> {
        self.prices.get(usize::from(tariff).checked_sub(1)?).copied()
    }

    /// The tariff with this price; `None` when there are too many different ones.
    fn tariff(&mut self, price: Number) -> Option<u8> {
        let known = self.prices.iter().position(|known| known.same_value(price));
        let place = known.unwrap_or_else(|| {
            self.prices.push(price);
            self.prices.len() - 1
        });
        u8::try_from(place + 1).ok().filter(|&tariff| tariff <= TARIFFS_MAX)
    }
}

/// Reads the sections `price` and `co2`. What is fetched is kept in the state directory.
pub(super) fn price(
    price: Option<&Section<'_>>,
    co2: Option<&Section<'_>>,
    folder: &Path,
    state_directory: Option<&Path>,
) -> PriceSetup {
    let mut setup = price.map_or_else(PriceSetup::default, |section| read(section, folder, state_directory));
    if let Some(section) = co2 {
        section.only(&["fixed", "file"]);
        setup.co2 = rate(section, &["fixed", "file"], folder, None);
    }
    setup
}

fn read(section: &Section<'_>, folder: &Path, state_directory: Option<&Path>) -> PriceSetup {
    let own = ["currency", "zone", "feed_in", "base_per_month", "refresh"];
    section.only(&[&own, RATES, endpoint::KEYS].concat());
    PriceSetup {
        currency: currency(section).unwrap_or_else(|| PriceSetup::default().currency),
        zone: zone(section),
        energy: rate(section, RATES, folder, state_directory),
        feed_in: section.parsed("feed_in"),
        base_per_month: section.parsed("base_per_month"),
        co2: None,
    }
}

fn currency(section: &Section<'_>) -> Option<String> {
    let typed = section.text("currency")?.value;
    let fits = (1..=CURRENCY_LEN_MAX).contains(&typed.chars().count())
        && typed.chars().all(|c| !c.is_control() && !c.is_whitespace() && c != ',');
    if !fits {
        let message = format!("expected a word of 1 to {CURRENCY_LEN_MAX} characters");
        section.problem("currency", message, "currency = \"EUR\"".to_owned());
    }
    fits.then(|| typed.to_owned())
}

fn zone(section: &Section<'_>) -> Option<TimeZone> {
    let typed = section.text("zone")?.value;
    let zone = TimeZone::get(typed).ok();
    if zone.is_none() {
        let help =
            "a name such as \"Europe/Vienna\" of the package tzdata; `timedatectl list-timezones` shows all";
        section.problem("zone", format!("there is no zone `{typed}`"), help.to_owned());
    }
    zone
}

/// The one of these keys that is there.
fn rate(section: &Section<'_>, keys: &[&str], folder: &Path, state_directory: Option<&Path>) -> Option<Rate> {
    if section.table.get("url").is_none() {
        let of_url = endpoint::KEYS.iter().chain(&["refresh"]).filter(|key| section.table.get(key).is_some());
        for key in of_url {
            section.problem(key, "there is no `url` that it could be of", None);
        }
    }
    let mut typed = keys.iter().filter(|key| section.table.get(key).is_some());
    let first = typed.next()?;
    if let Some(second) = typed.next() {
        section.problem(second, format!("`{first}` says it already"), "remove one of the two".to_owned());
        return None;
    }
    match *first {
        "fixed" => section.parsed("fixed").map(Rate::Fixed),
        "file" => section.text("file").map(|path| Rate::File(folder.join(path.value))),
        "url" => feed(section, folder, state_directory).map(Rate::Url),
        _ => time_of_use(section).map(Rate::TimeOfUse),
    }
}

fn feed(section: &Section<'_>, folder: &Path, state_directory: Option<&Path>) -> Option<PriceFeedSetup> {
    let endpoint = endpoint::read(section, folder, endpoint::HTTP);
    let refresh = section.duration("refresh").unwrap_or(REFRESH);
    let most = Duration::from_secs(7 * 86_400);
    if !(Duration::from_secs(300)..=most).contains(&refresh) {
        section.problem("refresh", "expected 5 min to 7 d", None);
    }
    if state_directory.is_none() {
        let help = "`state_directory = \"/var/lib/metergate\"`; systemd sets one by itself".to_owned();
        section.problem("url", "there is no `state_directory` to keep the prices in", help);
    }
    Some(PriceFeedSetup { endpoint: endpoint?, refresh, file: state_directory?.join(FETCHED_NAME) })
}

/// Where the lines of a section `price` fetch their prices.
#[cfg(test)]
pub(crate) fn price_feed_of_lines(lines: &str, state_directory: &Path) -> PriceFeedSetup {
    let read =
        |section: &Section<'_>| Some(price(Some(section), None, Path::new("/etc"), Some(state_directory)));
    match super::section::read_lines(lines, read).unwrap().energy {
        Some(Rate::Url(setup)) => setup,
        other => panic!("{other:?}"),
    }
}

fn time_of_use(section: &Section<'_>) -> Option<TimeOfUse> {
    const KEY: &str = "time_of_use";
    const EXAMPLE: &str =
        "time_of_use = [{ from = \"06:00\", to = \"22:00\", price = \"0.34\" }, { price = \"0.27\" }]";
    let Some(Node { value: Value::List(items), .. }) = section.table.get(KEY) else {
        section.problem(KEY, "expected a list of tables", EXAMPLE.to_owned());
        return None;
    };
    let mut all = TimeOfUse { rules: Vec::new(), prices: Vec::new(), otherwise: 0 };
    for item in items {
        let Value::Table(table) = &item.value else {
            section.problem(KEY, "expected a list of tables", EXAMPLE.to_owned());
            return None;
        };
        let path = format!("{}.{KEY}", section.path);
        let entry = Section { reading: section.reading, path, origin: item.origin, table };
        entry.only(&["days", "from", "to", "price"]);
        if table.get("price").is_none() {
            entry.problem("price", "it is missing", "price = \"0.34\"".to_owned());
        }
        let price = entry.parsed::<Number>("price")?;
        let Some(tariff) = all.tariff(price) else {
            let message = format!("expected at most {TARIFFS_MAX} different prices");
            entry.problem("price", message, "a file of prices has room for more: `file`".to_owned());
            return None;
        };
        if ["days", "from", "to"].iter().all(|key| table.get(key).is_none()) {
            if all.otherwise != 0 {
                entry.problem(
                    "",
                    "all other hours have a price already",
                    "say `days`, `from` or `to`".to_owned(),
                );
                return None;
            }
            all.otherwise = tariff;
            continue;
        }
        let rule = Rule {
            weekdays: days(&entry),
            from_minute: minute(&entry, "from", 0)?,
            to_minute: minute(&entry, "to", 1440)?,
            tariff,
        };
        // Each by itself first, so that the problem stands at its line.
        if let Err(error) = Schedule::new(&[rule], 1) {
            let error = error.to_string();
            entry.problem("from", error.trim_start_matches("rule 1: "), None);
            return None;
        }
        all.rules.push(rule);
    }
    if all.otherwise == 0 {
        let help = "one entry with nothing but a price: { price = \"0.27\" }".to_owned();
        section.problem(KEY, "what all other hours cost is missing", help);
        return None;
    }
    if let Err(error) = Schedule::new(&all.rules, all.otherwise) {
        section.problem(KEY, error.to_string(), None);
        return None;
    }
    Some(all)
}

/// Minutes of `hh:mm` since midnight; 24:00 is the end of the day.
fn minute(entry: &Section<'_>, key: &str, without: u16) -> Option<u16> {
    let Some(typed) = entry.text(key) else {
        // Something else than a text is told already.
        return entry.table.get(key).is_none().then_some(without);
    };
    let two = |text: &str, max: u16| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|&number: &u16| number <= max)
    };
    let parts = typed.value.split_once(':');
    let minute = parts.and_then(|(hour, minute)| Some(two(hour, 24)? * 60 + two(minute, 59)?));
    let minute = minute.filter(|&minute| minute <= 1440);
    if minute.is_none() {
        entry.problem(key, "expected a time of day such as \"06:00\"", None);
    }
    minute
}

/// The days of an entry; without any it is for all.
fn days(entry: &Section<'_>) -> Weekdays {
    if entry.table.get("days").is_none() {
        return Weekdays::ALL;
    }
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let words = entry.list("days", |value| {
        let Value::Text(word) = value else { return Err("expected days in quotes".to_owned()) };
        let word = word.to_ascii_lowercase();
        let day = names.iter().zip(Weekday::ALL).find(|(name, _)| **name == word).map(|(_, day)| day);
        match (word.as_str(), day) {
            (_, Some(day)) => Ok(vec![day]),
            ("workdays", _) => Ok(Weekday::ALL.into_iter().take(5).collect()),
            ("weekend", _) => Ok(vec![Weekday::Saturday, Weekday::Sunday]),
            _ => Err(format!(
                "`{word}` is no day: expected mon, tue, wed, thu, fri, sat, sun, workdays or weekend"
            )),
        }
    });
    words.into_iter().flatten().fold(Weekdays::NONE, Weekdays::and)
}

#[cfg(test)]
mod tests {
    use super::super::section::read_lines;
    use super::*;
    use metergate_tariff::LocalSlot;

    fn read_price(lines: &str) -> Result<PriceSetup, Vec<String>> {
        let (folder, state) = (Path::new("/etc/metergate"), Some(Path::new("/var/lib/metergate")));
        read_lines(lines, |section| Some(price(Some(section), None, folder, state)))
    }

    #[test]
    fn a_price_is_fixed_by_the_hour_or_from_a_file() {
        let setup = read_price("fixed = \"0.32\"\nfeed_in = \"0.08\"\nbase_per_month = \"12.00\"").unwrap();
        assert_eq!(setup.energy, Some(Rate::Fixed(Number::new(32, -2))));
        assert_eq!(
            (setup.feed_in, setup.base_per_month),
            (Some(Number::new(8, -2)), Some(Number::new(1200, -2)))
        );
        assert_eq!((setup.currency.as_str(), setup.zone), ("EUR", None));
        let setup =
            read_price("file = \"prices.csv\"\ncurrency = \"CHF\"\nzone = \"Europe/Zurich\"").unwrap();
        assert_eq!(setup.energy, Some(Rate::File("/etc/metergate/prices.csv".into())));
        assert_eq!(setup.zone.unwrap().iana_name(), Some("Europe/Zurich"));
    }

    #[test]
    fn prices_are_fetched_from_an_address_and_kept_in_the_state_directory() {
        let setup = read_price("url = \"https://prices.example/at.csv?token=x\"\nrefresh = \"6 h\"").unwrap();
        let Some(Rate::Url(feed)) = &setup.energy else { panic!("{setup:?}") };
        assert_eq!(feed.refresh, Duration::from_secs(6 * 3600));
        assert_eq!(feed.file, Path::new("/var/lib/metergate/prices.csv"));
        assert_eq!(
            setup.energy.unwrap().to_string(),
            "from https://prices.example/at.csv, each 6h, kept in /var/lib/metergate/prices.csv"
        );
        let folder = Path::new("/etc/metergate");
        let read = |section: &Section<'_>| Some(price(Some(section), None, folder, None));
        let problems = read_lines("url = \"https://prices.example\"", read).unwrap_err();
        assert!(problems[0].contains("there is no `state_directory`"), "{problems:?}");
    }

    #[test]
    fn hours_that_no_entry_names_have_the_price_of_the_entry_without_hours() {
        let setup = read_price(
            "time_of_use = [{ days = \"workdays\", from = \"06:00\", to = \"22:00\", price = \"0.34\" },
               { days = [\"sat\"], to = \"12:00\", price = \"0.30\" }, { price = \"0.27\" }]",
        );
        let Some(Rate::TimeOfUse(prices)) = setup.unwrap().energy else { panic!("no prices by the hour") };
        let schedule = prices.schedule().unwrap();
        let price = |weekday, minute| prices.price(schedule.tariff(LocalSlot { weekday, minute })).unwrap();
        assert_eq!(price(Weekday::Friday, 21 * 60 + 45).to_string(), "0.34");
        assert_eq!(price(Weekday::Friday, 22 * 60).to_string(), "0.27");
        assert_eq!(price(Weekday::Saturday, 0).to_string(), "0.30");
        assert_eq!(price(Weekday::Sunday, 720).to_string(), "0.27");
    }

    #[test]
    fn mistakes_in_prices_are_told_with_what_is_expected() {
        for (lines, expected) in [
            ("fixed = \"0.3x\"", "sink.x.fixed: "),
            ("fixed = \"0.3\"\nfile = \"p\"", "sink.x.file: `fixed` says it already"),
            ("zone = \"Europe/Atlantis\"", "sink.x.zone: there is no zone `Europe/Atlantis`"),
            ("currency = \"\"", "sink.x.currency: expected a word of 1 to 8 characters"),
            ("time_of_use = \"0.3\"", "sink.x.time_of_use: expected a list of tables"),
            (
                "time_of_use = [{ from = \"06:00\", price = \"1\" }]",
                "sink.x.time_of_use: what all other hours cost is missing",
            ),
            (
                "time_of_use = [{ from = \"22:00\", to = \"06:00\", price = \"1\" }, { price = \"2\" }]",
                "sink.x.time_of_use.from: expected two quarter hours of one day in order such as 06:00 to 22:00, \
                 found 22:00 to 06:00; a night is two rules",
            ),
            (
                "time_of_use = [{ from = \"6\", price = \"1\" }]",
                "sink.x.time_of_use.from: expected a time of day",
            ),
            (
                "time_of_use = [{ days = \"someday\", price = \"1\" }]",
                "sink.x.time_of_use.days: `someday` is no day",
            ),
            ("time_of_use = [{ from = \"06:00\" }]", "sink.x.time_of_use.price: it is missing"),
            ("fixed = \"0.3\"\nurl = \"https://x.example\"", "sink.x.url: `fixed` says it already"),
            ("url = \"ftp://x.example\"", "sink.x.url: "),
            ("url = \"https://x.example\"\nrefresh = \"1 min\"", "sink.x.refresh: expected 5 min to 7 d"),
            ("fixed = \"1\"\nrefresh = \"1 h\"", "sink.x.refresh: there is no `url`"),
            ("prise = \"1\"", "sink.x.prise: unknown key `prise`"),
        ] {
            let problems = read_price(lines).unwrap_err();
            assert!(problems[0].starts_with(expected), "{lines}: {problems:?}");
        }
    }
}
