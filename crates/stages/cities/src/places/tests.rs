//! The gazetteer that is built in, asked as people ask.

use std::collections::HashSet;

use proptest::prelude::*;
use sightscan_types::CityName;

use super::*;

fn places() -> &'static Places {
    Places::embedded()
}

/// The places that a search finds, as `Name CC`.
fn found(text: &str, limit: usize) -> Vec<String> {
    let name =
        |suggestion: &Suggestion<'_>| format!("{} {}", suggestion.place.name, suggestion.place.country.code);
    places().search(text, limit).iter().map(name).collect()
}

fn the_one(name: &str, country: Option<&str>) -> &'static Place {
    match places().resolve(name, country, None) {
        Resolution::One(place) => place,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn the_table_is_whole() {
    assert_eq!(places().all().len(), 34006);
    for place in places().all() {
        assert!(place.latitude.abs() <= 90.0 && place.longitude.abs() <= 180.0, "{place:?}");
        assert_eq!(places().by_id(place.id), Some(place));
    }
}

#[test]
fn row_59_a_sight_is_no_city_although_a_district_is_called_after_it() {
    assert_eq!(the_one("berlin", None).label.as_ref(), "Berlin, Germany");
    assert!(matches!(places().resolve("Louvre", None, None), Resolution::Unknown { .. }));
    assert_eq!(the_one("Paris 01 Louvre", None).country.code.as_ref(), "FR");
}

#[test]
fn every_place_has_a_slug_and_a_label_of_its_own() {
    let slugs: HashSet<Slug> = places().all().iter().map(Place::slug).collect();
    assert_eq!(slugs.len(), places().all().len());
    let labels: HashSet<&str> = places().all().iter().map(|place| &*place.label).collect();
    assert_eq!(labels.len(), places().all().len());
    for place in places().all() {
        assert_eq!(places().by_slug(&place.slug()), Some(place));
    }
}

#[test]
fn the_greatest_namesake_has_the_plain_slug() {
    let (france, texas) = (the_one("Paris", None), the_one("Paris", Some("US")));
    assert_eq!((france.slug().as_str(), &*france.label), ("paris", "Paris, France"));
    assert_eq!((texas.slug().as_str(), &*texas.label), ("paris-us-tx", "Paris, Texas, United States"));
    assert_eq!(texas.city.display(), "Paris (US TX)");
    let suzhous = places().search("suzhou, china", 2);
    let labels: Vec<&str> = suzhous.iter().map(|found| &*found.place.label).collect();
    assert_eq!(labels, ["Suzhou, China (31.30° N, 120.59° E)", "Suzhou, China (33.64° N, 116.98° E)"]);
}

#[test]
fn a_city_is_found_in_any_capitals_and_script() {
    for (texts, expected) in [
        (&["berlin", "BERLIN", "Berlín", "БЕРЛИН", "Берлин", "柏林", "ベルリン", "برلين"][..], "Berlin DE"),
        (&["köln", "KÖLN", "koln", "koeln", "Cologne", "Colonia", "科隆"], "Köln DE"),
        (&["北京", "Peking", "pekin", "beijing", "bei jing", "Пекин"], "Beijing CN"),
        (&["Rom", "rom", "Roma", "Rome", "Ρώμη", "ΡΩΜΗ"], "Rome IT"),
        (&["New York", "NEW_YORK", "new-york", "newyork", "NYC", "Нью-Йорк"], "New York City US"),
        (&["Xi'an", "xian", "XIAN", "西安"], "Xi’an CN"),
        (&["bern", "Bern"], "Bern CH"),
        (&["Munich", "muenchen", "München", "MÜNCHEN"], "Munich DE"),
        (&["Düsseldorf", "duesseldorf", "dusseldorf"], "Düsseldorf DE"),
        (&["saint petersburg", "Санкт-Петербург"], "Saint Petersburg RU"),
    ] {
        for text in texts {
            assert_eq!(found(text, 1), [expected], "{text}");
            assert_eq!(the_one_or_first(text), expected, "{text}");
        }
    }
}

/// What a name means, or what it most likely means.
fn the_one_or_first(name: &str) -> String {
    let place = match places().resolve(name, None, None) {
        Resolution::One(place) => place,
        Resolution::Several(places) => places[0],
        unknown => panic!("{name}: {unknown:?}"),
    };
    format!("{} {}", place.name, place.country.code)
}

#[test]
fn the_beginning_of_a_name_is_enough_and_the_populous_come_first() {
    assert_eq!(found("berl", 1), ["Berlin DE"]);
    assert_eq!(found("new y", 1), ["New York City US"]);
    assert_eq!(found("san fran", 1), ["San Francisco US"]);
    assert_eq!(found("моск", 1), ["Moscow RU"]);
    let all = places().search("lond", 50);
    assert!(all.len() > 3 && all.len() <= 50);
    let ids: HashSet<u32> = all.iter().map(|suggestion| suggestion.place.id).collect();
    assert_eq!(ids.len(), all.len(), "each place once");
    assert!(all.iter().all(|suggestion| (0.0..=1.0).contains(&suggestion.score)));
}

#[test]
fn all_of_a_name_comes_before_its_beginning() {
    let found = places().search("rom", 50);
    assert_eq!((&*found[0].place.label, found[0].matched_name, found[0].score), ("Rome, Italy", "Rom", 1.0));
    let first_part = found.iter().position(|suggestion| suggestion.score < 1.0).unwrap();
    assert!(found[first_part..].iter().all(|suggestion| suggestion.score < 1.0));
}

#[test]
fn the_name_that_matched_is_told() {
    assert_eq!(places().search("cologne", 1)[0].matched_name, "Cologne");
    assert_eq!(places().search("北京", 1)[0].matched_name, "北京");
    assert_eq!(places().search("koeln", 1)[0].place.id, 2886242);
}

#[test]
fn typing_errors_are_forgiven_where_nothing_else_fits() {
    for (text, expected) in [
        ("Berlni", "Berlin DE"),
        ("Lodnon", "London GB"),
        ("Stratfrod-upon-Avon", "Stratford-upon-Avon GB"),
        ("San Farncisco", "San Francisco US"),
        ("Барселонна", "Barcelona ES"),
    ] {
        assert_eq!(found(text, 1), [expected], "{text}");
        let Resolution::Unknown { nearest } = places().resolve(text, None, None) else { panic!("{text}") };
        assert!(nearest[0].score < 1.0 && nearest.len() <= 5, "{nearest:?}");
    }
    assert!(places().search("qqqqwwwwzzzz", 5).is_empty());
}

#[test]
fn what_nobody_is_called_may_be_misspelt_or_only_begun() {
    for (text, expected) in [
        ("Berlinn", "Berlin DE"),
        ("Romee", "Rome IT"),
        ("San Fran", "San Francisco US"),
        ("Rio de Jan", "Rio de Janeiro BR"),
    ] {
        let Resolution::Unknown { nearest } = places().resolve(text, None, None) else { panic!("{text}") };
        let place = nearest[0].place;
        assert_eq!(format!("{} {}", place.name, place.country.code), expected, "{text}");
        let ids: HashSet<u32> = nearest.iter().map(|suggestion| suggestion.place.id).collect();
        assert_eq!(ids.len(), nearest.len(), "{text}: each place once");
    }
}

#[test]
fn text_after_a_comma_is_the_country_or_region() {
    assert_eq!(found("Paris, Texas, United States", 5), ["Paris US"]);
    assert_eq!(found("paris, us", 1), ["Paris US"]);
    assert_eq!(found("paris, tx", 1), ["Paris US"]);
    assert_eq!(found("paris,", 1), ["Paris FR"]);
    assert_eq!(the_one("Paris, FR", None).id, 2988507);
}

#[test]
fn namesakes_are_told_apart() {
    let Resolution::Several(valencias) = places().resolve("valència", None, None) else { panic!() };
    assert_eq!((&*valencias[0].country.code, &*valencias[1].country.code), ("VE", "ES"));
    assert_eq!(&*the_one("Valencia", Some("es")).country.code, "ES");
    assert_eq!(&*the_one("Valencia", Some("Spain")).country.code, "ES");
    assert_eq!(
        &*the_one("Cancun", None).country.code,
        "MX",
        "the usual name counts more than Changchun's other one"
    );
    assert_eq!(&*the_one("Paris", None).country.code, "FR");
    let Resolution::Unknown { nearest } = places().resolve("Berlin", Some("JP"), None) else { panic!() };
    assert_eq!(&*nearest[0].place.label, "Berlin, Germany");
}

#[test]
fn an_id_decides_alone() {
    let Resolution::One(texas) = places().resolve("Paris", Some("FR"), Some(4717560)) else { panic!() };
    assert_eq!(texas.region.name.as_deref(), Some("Texas"));
    let Resolution::Unknown { nearest } = places().resolve("Paris", None, Some(1)) else { panic!() };
    assert_eq!(&*nearest[0].place.name, "Paris");
}

#[test]
fn a_city_that_a_place_gave_its_name_is_that_place() {
    for place in places().all().iter().step_by(50) {
        match places().resolve(place.city.display(), None, None) {
            // `Singāpur` is a town in India, but more often the city.
            Resolution::One(found) => assert!(found.population >= place.population, "{}", place.city),
            Resolution::Several(found) => assert!(found.contains(&place), "{}", place.city),
            Resolution::Unknown { .. } => panic!("{} is unknown", place.city),
        }
    }
    assert_eq!(the_one("PARIS_(US_TX)", None).id, 4717560);
}

#[test]
fn nothing_is_found_for_nothing() {
    for text in ["", " ", "'", ",", "()", "😀", "'; DROP TABLE cities--", "\0"] {
        assert!(places().search(text, 5).is_empty(), "{text:?}");
        let unknown = Resolution::Unknown { nearest: Vec::new() };
        assert_eq!(places().resolve(text, None, None), unknown, "{text:?}");
    }
    assert!(places().search("Berlin", 0).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_question_is_answered(text in any::<String>(), limit in 0usize..20) {
        prop_assert!(places().search(&text, limit).len() <= limit);
    }

    #[test]
    fn every_place_is_found_by_its_name(number in 0usize..34006) {
        let place = &places().all()[number];
        let found = places().search(&place.name, 1000);
        prop_assert!(found.iter().any(|suggestion| suggestion.place.id == place.id));
        let typed = CityName::parse(&place.name).map(|name| name.legacy());
        let found = places().search(&typed.unwrap_or_default(), 1000);
        prop_assert!(found.iter().any(|suggestion| suggestion.place.id == place.id));
    }
}
