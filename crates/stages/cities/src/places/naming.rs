//! Names and labels that no two places share.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use sightscan_types::{CityName, Slug};

use super::Place;
use super::table::{Record, TableError};

/// Gives each record a city's name and a label of its own.
pub(super) fn places(records: Vec<Record<'_>>) -> Result<Vec<Place>, TableError> {
    let (cities, labels) = (cities(&records)?, labels(&records));
    let named = records.into_iter().zip(cities).zip(labels);
    Ok(named.map(|((record, city), label)| place(record, city, label)).collect())
}

fn place(record: Record<'_>, city: CityName, label: String) -> Place {
    let Record { id, name, country, region, latitude, longitude, population, .. } = record;
    let (name, label) = (name.into(), label.into());
    Place { id, name, city, label, country, region, latitude, longitude, population }
}

/// The greatest of namesakes gets the plain name; of two that are equally great, the one with the lower id.
fn cities(records: &[Record<'_>]) -> Result<Vec<CityName>, TableError> {
    let mut order: Vec<usize> = (0..records.len()).collect();
    order.sort_unstable_by_key(|&number| (Reverse(records[number].population), records[number].id));
    let mut taken = HashSet::with_capacity(records.len());
    let named = order.into_iter().map(|number| Ok((number, free_name(&records[number], &mut taken)?)));
    let mut named = named.collect::<Result<Vec<_>, TableError>>()?;
    named.sort_unstable_by_key(|(number, _)| *number);
    Ok(named.into_iter().map(|(_, name)| name).collect())
}

/// The shortest name that is not taken; it is then.
fn free_name(record: &Record<'_>, taken: &mut HashSet<Slug>) -> Result<CityName, TableError> {
    let Record { id, name, country, region, .. } = record;
    let (country, region) = (&country.code, &region.code);
    let texts = [
        name.to_string(),
        format!("{name} ({country} {region})"),
        format!("{name} ({country} {region} {id})"),
    ];
    for text in texts {
        let name = CityName::parse(&text).map_err(|source| TableError::Name { id: *id, source })?;
        if taken.insert(name.slug()) {
            return Ok(name);
        }
    }
    Err(TableError::NoName { id: *id })
}

/// Where several places would have the same label, it says their positions.
fn labels(records: &[Record<'_>]) -> Vec<String> {
    let labels: Vec<String> = records.iter().map(label).collect();
    let mut counts: HashMap<&str, usize> = HashMap::with_capacity(labels.len());
    labels.iter().for_each(|label| *counts.entry(label).or_default() += 1);
    let labelled = records.iter().zip(&labels);
    labelled
        .map(|(record, label)| match counts[label.as_str()] {
            1 => label.clone(),
            _ => format!("{label} ({})", position(record)),
        })
        .collect()
}

fn label(record: &Record<'_>) -> String {
    let Record { name, country, region, .. } = record;
    match &region.name {
        Some(region) => format!("{name}, {region}, {}", country.name),
        None => format!("{name}, {}", country.name),
    }
}

/// `33.66° N, 95.56° W`: to about 1 km.
fn position(record: &Record<'_>) -> String {
    let half = |degrees: f64, [positive, negative]: [char; 2]| {
        let side = if degrees < 0.0 { negative } else { positive };
        format!("{:.2}° {side}", degrees.abs())
    };
    format!("{}, {}", half(record.latitude, ['N', 'S']), half(record.longitude, ['E', 'W']))
}
