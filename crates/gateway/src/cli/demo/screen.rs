//! The live view of the demonstration on a terminal.
//!
//! ```text
//!  metergate demo   5 of 5 meters live   11 telegrams, 0 refused         12:04:05
//!  ● EasyMeter Q3A  1ESY1160123456 ──────────────────────────── ok · 0.8 s ago
//!    1-0:16.7.0  active power, net             -3515.86 W     ▂▃▅▆▇▆▅
//! ```
use super::Page;
use super::board::{Board, Card, Shown};
use metergate_meter::verdict::Verdict;
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Sparkline};
use std::time::Instant;

/// From this width on registers stand in two columns, and the curve of a meter's power in its head.
const WIDE: u16 = 104;
/// Columns of the curve.
const CURVE_WIDTH: u16 = 16;
/// Beside the curve a register needs this many columns.
const REGISTER_WIDTH: u16 = 57;
/// Lines of a meter without its head: fewer hide the power, more are a table and no view.
const ROWS_MIN: u16 = 3;
const ROWS_MAX: u16 = 10;

const DIM: Style = Style::new().fg(Color::DarkGray);
const CODE: Style = Style::new().fg(Color::Cyan);

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, board: &Board, page: &Page, clock: &str, now: Instant) {
    let area = frame.area();
    let [head, body, foot] =
        Layout::vertical([Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)]).areas(area);
    title(frame, head, board, clock);
    let (rows, gap) = share(&board.cards, body);
    let mut y = body.y;
    for (card, rows) in board.cards.iter().zip(rows) {
        // On a terminal that is too low, the last meters fall off the bottom.
        draw_card(frame, Rect { y, height: rows + 1, ..body }.intersection(body), card, now);
        y += rows + 1 + gap;
    }
    let foot_line = Line::from(vec![
        Span::styled(" q or Ctrl-C ends   in a browser: ", DIM),
        Span::styled(page.to_string(), CODE),
        Span::styled("   simulated meters, read by the daemon", DIM),
    ]);
    frame.render_widget(Paragraph::new(foot_line), foot);
}

/// Shares the lines out: how many registers' lines each meter gets below its head, and the lines between two meters.
fn share(cards: &[Card], area: Rect) -> (Vec<u16>, u16) {
    let columns = if area.width >= WIDE { 2 } else { 1 };
    let needed = |card: &Card| {
        let registers = u16::try_from(card.shown.len()).unwrap_or(ROWS_MAX);
        registers.div_ceil(columns).clamp(ROWS_MIN, ROWS_MAX)
    };
    let count = u16::try_from(cards.len()).unwrap_or(1);
    let mut left = area.height.saturating_sub(count);
    let mut rows: Vec<u16> = cards.iter().map(|_| 0).collect();
    // A line for each in turn, until all have what they need or none is left.
    loop {
        let before = left;
        for (rows, card) in rows.iter_mut().zip(cards) {
            if left > 0 && *rows < needed(card) {
                *rows += 1;
                left -= 1;
            }
        }
        if left == before {
            return (rows, u16::from(left >= count));
        }
    }
}

fn title(frame: &mut Frame<'_>, area: Rect, board: &Board, clock: &str) {
    let live = board.cards.iter().filter(|card| card.is_live() && card.telegrams > 0).count();
    let telegrams: u64 = board.cards.iter().map(|card| card.telegrams).sum();
    let rejections: u64 = board.cards.iter().map(|card| card.rejections).sum();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let left = Line::from(vec![
        Span::styled(" metergate demo ", bold.fg(Color::Black).bg(Color::Cyan)),
        Span::raw(format!("  {live} of {} meters live", board.cards.len())),
        Span::styled(format!("   {telegrams} telegrams, {rejections} refused"), DIM),
    ]);
    frame.render_widget(Paragraph::new(left), area);
    frame.render_widget(Paragraph::new(format!("{clock} ")).alignment(Alignment::Right), area);
}

fn draw_card(frame: &mut Frame<'_>, area: Rect, card: &Card, now: Instant) {
    let colour = colour(card);
    let mut left = vec![
        Span::styled(" ● ", Style::new().fg(colour)),
        // A title takes the colour of its border, which is dim.
        Span::styled(card.house.title(), Style::new().fg(Color::Reset).add_modifier(Modifier::BOLD)),
    ];
    if let Some(id) = &card.id {
        left.push(Span::styled(format!("  {id}"), Style::new().fg(Color::Gray)));
    }
    if area.width >= WIDE {
        left.push(Span::styled(format!("  {}", card.house.about), DIM));
    }
    left.push(Span::raw(" "));
    let mut right = vec![Span::raw(" ")];
    if area.width >= WIDE && card.is_live() {
        right.push(Span::styled(curve_in_a_line(card), Style::new().fg(curve_colour(card))));
        right.push(Span::raw(" "));
    }
    right.push(Span::styled(card.verdict.code(), Style::new().fg(colour)));
    if let Some(age) = card.age(now) {
        right.push(Span::styled(format!(" · {}.{} s ago", age.as_secs(), age.subsec_millis() / 100), DIM));
    }
    right.push(Span::raw(" "));
    let block = Block::new()
        .borders(Borders::TOP)
        .border_style(DIM)
        .title(Line::from(left))
        .title(Line::from(right).right_aligned());
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if card.is_live() && !card.shown.is_empty() {
        registers(frame, inner, card);
    } else {
        frame.render_widget(Paragraph::new(reason(card)).style(DIM), inner);
    }
}

/// Why no values are shown. The last ones are not: they are no longer live.
fn reason(card: &Card) -> Vec<Line<'static>> {
    if let Some(error) = &card.port_error {
        return vec![Line::from(format!("   {error}"))];
    }
    if card.verdict.is_live() {
        return vec![Line::from("   the first telegram is here, its numbers follow")];
    }
    vec![Line::from(format!("   {}", card.verdict)), Line::from(format!("   {}", card.house.about))]
}

fn colour(card: &Card) -> Color {
    match card.verdict {
        _ if card.port_error.is_some() => Color::Red,
        Verdict::Waiting => Color::Yellow,
        verdict if verdict.is_live() => Color::Green,
        _ => Color::Red,
    }
}

fn registers(frame: &mut Frame<'_>, area: Rect, card: &Card) {
    let is_wide = area.width >= WIDE;
    let with_curve = !is_wide && area.width >= REGISTER_WIDTH + CURVE_WIDTH + 3;
    let curve_width = if with_curve { CURVE_WIDTH + 3 } else { 0 };
    let [table, curve] =
        Layout::horizontal([Constraint::Min(0), Constraint::Length(curve_width)]).areas(area);
    let columns = if is_wide { 2 } else { 1 };
    let width = table.width / columns;
    for (index, shown) in card.shown.iter().take(usize::from(area.height * columns)).enumerate() {
        let index = u16::try_from(index).unwrap_or(0);
        let (row, column) = (index / columns, index % columns);
        let place = Rect { x: table.x + column * width, y: table.y + row, width, height: 1 };
        frame.render_widget(Paragraph::new(register(shown, usize::from(width))), place);
    }
    if with_curve {
        let place = Rect { x: curve.x + 2, width: CURVE_WIDTH, ..curve };
        let (heights, top) = heights(card);
        let sparkline = Sparkline::default().data(&heights).max(top);
        frame.render_widget(sparkline.style(Style::new().fg(curve_colour(card))), place);
    }
}

/// Code, name, value and unit, the values right-aligned.
fn register(shown: &Shown, width: usize) -> Line<'static> {
    // Three blanks, code, blank, name, blank, value, blank, unit.
    let name_width = width.saturating_sub(3 + 12 + 1 + 13 + 1 + 5);
    let name: String = shown.name.replace(", tariff ", " T").chars().take(name_width).collect();
    let value_style = if shown.value.starts_with('-') {
        // Into the grid: good for the purse.
        Style::new().fg(Color::Green).add_modifier(Modifier::BOLD)
    } else {
        Style::new().add_modifier(Modifier::BOLD)
    };
    Line::from(vec![
        Span::styled(format!("   {:<12}", shown.code), CODE),
        Span::raw(format!("{name:<name_width$} ")),
        Span::styled(format!("{:>13}", shown.value), value_style),
        Span::styled(format!(" {:<5}", shown.unit), DIM),
    ])
}

/// The last points of the power as heights over the lowest, and the greatest height.
fn heights(card: &Card) -> (Vec<u64>, u64) {
    let skip = card.curve.len().saturating_sub(usize::from(CURVE_WIDTH));
    let points: Vec<i64> = card.curve.iter().skip(skip).copied().collect();
    let (Some(lowest), Some(highest)) = (points.iter().min(), points.iter().max()) else {
        return (Vec::new(), 1);
    };
    // Noise of a few W does not look like a mountain, and the lowest point is still seen.
    let span = (highest - lowest).max(200);
    let floor = lowest - (span - (highest - lowest)) / 2 - span / 8;
    let height = |watts: &i64| u64::try_from(watts - floor).unwrap_or(0);
    (points.iter().map(height).collect(), u64::try_from(span + span / 8).unwrap_or(1))
}

fn curve_in_a_line(card: &Card) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (heights, top) = heights(card);
    let bar = |height: &u64| {
        let eighths = usize::try_from(height * 8 / top.max(1)).unwrap_or(0);
        BARS.get(eighths.min(BARS.len() - 1)).copied().unwrap_or(' ')
    };
    heights.iter().map(bar).collect()
}

fn curve_colour(card: &Card) -> Color {
    if card.curve.back().is_some_and(|watts| *watts < 0) { Color::Green } else { Color::Blue }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::demo::board::tests::{telegram, update};
    use crate::cli::demo::street::STREET;
    use crate::update::What;
    use metergate_reading::Unit;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::time::Duration;

    fn text(width: u16, height: u16, board: &Board) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, board, &Page::Off, "12:04:05", Instant::now())).unwrap();
        terminal.backend().to_string()
    }

    fn board() -> Board {
        let mut board = Board::new(&STREET);
        let what = telegram(&[
            ("1-0:16.7.0", -351_586, -2, Unit::Watt),
            ("1-0:1.8.0", 352_040_842, -4, Unit::WattHour),
        ]);
        board.note(&update(what), Instant::now());
        board.note(&update(What::Verdict(Verdict::Ok)), Instant::now());
        board
    }

    #[test]
    fn values_stand_with_code_name_and_unit_at_every_size() {
        for (width, height) in [(80, 24), (120, 40), (60, 20)] {
            let text = text(width, height, &board());
            for expected in
                ["1-0:16.7.0", "active power, net", "-3515.86 W", "35204.0842 Wh", "1 of 5 meters live"]
            {
                assert!(text.contains(expected), "{width}x{height}: no {expected} in\n{text}");
            }
            assert!(text.contains("Kamstrup MULTICAL 403"), "{width}x{height}\n{text}");
        }
    }

    #[test]
    fn a_silent_meter_shows_no_value() {
        let mut board = board();
        board.note(&update(What::Verdict(Verdict::Silent { since: Duration::ZERO })), Instant::now());
        let text = text(80, 24, &board);
        assert!(text.contains(" silent · "), "{text}");
        assert!(!text.contains("3515.86") && !text.contains("35204"), "{text}");
        assert!(text.contains("0 of 5 meters live"), "{text}");
    }

    #[test]
    fn a_terminal_of_any_size_is_drawn_without_a_panic() {
        for width in [1, 2, 5, 19, 40, 79, 300] {
            for height in [1, 2, 3, 7, 11, 24, 100] {
                text(width, height, &board());
            }
        }
    }
}
