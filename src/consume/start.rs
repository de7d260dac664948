//! Where to begin: `beginning`, `end`, an offset, `-N` before the end, or a time.

use anyhow::{Context, Result, bail, ensure};
use std::str::FromStr;

/// Where in a partition to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the first record that is still there.
    Beginning,
    /// Behind the last record.
    End,
    /// At this offset.
    Offset(i64),
    /// So many offsets before the end.
    Before(i64),
    /// At the first record of this time or later; ms since 1970.
    Time(i64),
}

impl FromStr for Start {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Start> {
        let wrong = || {
            format!(
                "expected beginning, end, an offset, -N for N before the end, or @TIME \
                 (milliseconds since 1970 or 2026-11-20T18:00:00Z), got {text:?}"
            )
        };
        Ok(match text {
            "beginning" => Start::Beginning,
            "end" => Start::End,
            _ => match (text.strip_prefix('@'), text.strip_prefix('-')) {
                (Some(time), _) => Start::Time(milliseconds(time).with_context(wrong)?),
                (_, Some(before)) => {
                    Start::Before(before.parse::<u32>().with_context(wrong)?.into())
                }
                _ => Start::Offset(offset(text).with_context(wrong)?),
            },
        })
    }
}

/// An offset: digits and nothing else.
fn offset(text: &str) -> Result<i64> {
    ensure!(text.bytes().all(|b| b.is_ascii_digit()), "an offset is a number");
    Ok(text.parse()?)
}

/// A time as milliseconds since 1970: a bare number, or RFC 3339 with `Z` or an offset such as +02:00.
pub fn milliseconds(text: &str) -> Result<i64> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let (date, time) = text.split_once(['T', 't', ' ']).context("expected a date, T and a time")?;
    let mut fields = date.split('-');
    let year = number(fields.next(), 4, 1, 9999)?;
    let month = number(fields.next(), 2, 1, 12)?;
    let day = number(fields.next(), 2, 1, days_in(year, month))?;
    ensure!(fields.next().is_none(), "expected a date such as 2026-11-20, got {date:?}");
    let (clock, east) = zone(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut fields = clock.split(':');
    let hour = number(fields.next(), 2, 0, 23)?;
    let minute = number(fields.next(), 2, 0, 59)?;
    let second = number(fields.next(), 2, 0, 60)?;
    ensure!(fields.next().is_none(), "expected a time such as 18:00:00, got {clock:?}");
    ensure!(
        !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()),
        "expected digits behind the point, got {fraction:?}"
    );
    let millis: i64 = format!("{fraction:0<3}")[..3].parse()?;
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - east;
    Ok(seconds * 1000 + millis)
}

/// The time of day and how many seconds its clock is ahead of UTC.
fn zone(time: &str) -> Result<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Ok((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        bail!("expected Z or an offset such as +02:00 behind the time, got {time:?}");
    };
    let (hours, minutes) = time[at + 1..].split_once(':').context("expected +HH:MM")?;
    let seconds = number(Some(hours), 2, 0, 23)? * 3600 + number(Some(minutes), 2, 0, 59)? * 60;
    Ok((&time[..at], if time[at..].starts_with('-') { -seconds } else { seconds }))
}

fn number(text: Option<&str>, digits: usize, min: i64, max: i64) -> Result<i64> {
    let text = text.context("expected YYYY-MM-DDTHH:MM:SSZ")?;
    let value = (text.len() == digits && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse::<i64>().ok())
        .flatten()
        .filter(|value| (min..=max).contains(value));
    value.with_context(|| format!("expected {digits} digits from {min} to {max}, got {text:?}"))
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in March here, so that the
/// leap day is the last of its year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + in_year - 719_468
}

/// A time in RFC 3339, UTC, with milliseconds.
pub fn rfc3339(milliseconds: i64) -> String {
    let (days, rest) = (milliseconds.div_euclid(86_400_000), milliseconds.rem_euclid(86_400_000));
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let in_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let (seconds, millis) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ways_to_say_where_to_begin() {
        let read = |text: &str| text.parse::<Start>().unwrap();
        assert_eq!(read("beginning"), Start::Beginning);
        assert_eq!(read("end"), Start::End);
        assert_eq!(read("17"), Start::Offset(17));
        assert_eq!(read("9000000000"), Start::Offset(9_000_000_000));
        assert_eq!(read("-5"), Start::Before(5));
        assert_eq!(read("@1000"), Start::Time(1000));
        for wrong in ["", "start", "@", "@today", "--5", "1.5"] {
            assert!(wrong.parse::<Start>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times_are_read_with_zone_and_fraction() {
        assert_eq!(milliseconds("1970-01-01T00:00:00Z").unwrap(), 0);
        assert_eq!(milliseconds("2001-09-09T01:46:40Z").unwrap(), 1_000_000_000_000);
        assert_eq!(milliseconds("2001-09-09T03:46:40.5+02:00").unwrap(), 1_000_000_000_500);
        assert_eq!(milliseconds("2001-09-08 20:46:40.1239-05:00").unwrap(), 1_000_000_000_123);
        assert_eq!(milliseconds("2024-02-29T00:00:00Z").unwrap(), 1_709_164_800_000);
        for wrong in ["2023-02-29T00:00:00Z", "2023-02-01T00:00:00", "2023-13-01T00:00:00Z"] {
            assert!(milliseconds(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn times_that_are_shown_can_be_read_again() {
        for ms in
            [0, -1, 951_782_400_000, 1_709_164_799_999, 4_102_444_800_000, -62_135_596_800_000]
        {
            assert_eq!(milliseconds(&rfc3339(ms)).unwrap(), ms);
        }
    }
}
