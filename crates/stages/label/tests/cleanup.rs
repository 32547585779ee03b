//! The clean-up of a city's names.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sightscan_label::cleanup::{KnownSight, Label, Merged, Question, Why, merged};
use sightscan_types::SightId;

fn labels(names: &[&str]) -> Vec<Label> {
    names.iter().map(|name| Label { name: (*name).to_owned(), count: 1, ..Label::default() }).collect()
}

fn question(city: &str, names: &[&str]) -> Question {
    Question { city: vec![city.to_owned()], labels: labels(names), ..Question::default() }
}

fn sight(name: &str) -> KnownSight {
    KnownSight {
        id: SightId::new(),
        name: name.to_owned(),
        aliases: vec![],
        wikidata: None,
        mid: None,
        latitude: None,
        longitude: None,
    }
}

fn apart(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

/// The names of the classes, by label.
fn names(question: &Question) -> BTreeMap<String, String> {
    merged(question).into_iter().map(|merged| (merged.label, merged.name)).collect()
}

#[track_caller]
fn assert_names(question: &Question, expected: &[(&str, &str)]) {
    let expected = expected.iter().map(|(label, name)| ((*label).to_owned(), (*name).to_owned())).collect();
    assert_eq!(names(question), expected);
}

fn why(question: &Question, label: &str) -> Why {
    let of = |merged: &Merged| merged.label == label;
    merged(question).into_iter().find(of).unwrap().why
}

#[test]
fn row_28_long_variants_map_to_the_short_label_and_the_city_stays() {
    for variants in [
        ["WONDERFULSIGHTLABEL", "SHENZENCITYSIGHTLABEL"],
        ["Beautiful Shenzen SIGHTLABEL", "SIGHTLABEL in Shenzen City"],
        ["VeryLongSIGHTLABEL", "EvenLongerNameOfSIGHTLABEL"],
    ] {
        let question = question("Shenzen", &[variants[0], "Shenzen", variants[1], "SIGHTLABEL"]);
        let short = "SIGHTLABEL";
        assert_names(
            &question,
            &[(variants[0], short), ("Shenzen", "Shenzen"), (variants[1], short), (short, short)],
        );
        assert_eq!(why(&question, variants[0]), Why::Contained { with: short.to_owned() });
        assert_eq!(why(&question, "Shenzen"), Why::Itself);
    }
}

#[test]
fn w_c15_chains_have_one_name() {
    let (short, middle, long) =
        ("Brandenburg Gate", "Brandenburg Gate Quadriga", "View of the Brandenburg Gate Quadriga at Night");
    assert_names(
        &question("Berlin", &[long, short, middle]),
        &[(short, short), (middle, short), (long, short)],
    );
    let alike = ["Charlottenburg Palace", "Charlottenburgh Palace", "Charlottenburgher Palace"];
    assert_names(
        &question("Berlin", &alike),
        &[(alike[0], alike[0]), (alike[1], alike[0]), (alike[2], alike[0])],
    );
}

#[test]
fn w_c14_names_in_other_scripts_and_with_umlauts_are_compared_too() {
    let names = ["Siegessäule", "SIEGESSAEULE", "故宫博物院", "故宫", "북촌한옥마을", "Ναός του Παρθενώνα"];
    let expected = [
        ("Siegessäule", "Siegessäule"),
        ("SIEGESSAEULE", "Siegessäule"),
        ("故宫博物院", "故宫博物院"),
        ("故宫", "故宫"),
        ("북촌한옥마을", "북촌한옥마을"),
        ("Ναός του Παρθενώνα", "Ναός του Παρθενώνα"),
    ];
    assert_names(&question("Berlin", &names), &expected);
    let forbidden_city = ["天安门广场", "北京天安门广场", "北京"];
    let expected = [("天安门广场", "天安门广场"), ("北京天安门广场", "天安门广场"), ("北京", "北京")];
    assert_names(&question("北京", &forbidden_city), &expected);
}

#[test]
fn names_without_a_letter_stay_alone() {
    assert_names(&question("Berlin", &["", "!", "😀"]), &[("", ""), ("!", "!"), ("😀", "😀")]);
}

#[test]
fn numbers_tell_towers_apart() {
    let towers = ["Petronas Tower 1", "Petronas Tower 2", "Petronas Tower"];
    let question = question("Kuala Lumpur", &towers);
    assert_names(&question, &towers.map(|tower| (tower, tower)));
}

#[test]
fn of_spellings_the_most_written_one_counts() {
    let mut question =
        question("Berlin", &["reichstag building", "Reichstag Building", "REICHSTAG BUILDING"]);
    question.labels[1].count = 7;
    assert!(names(&question).values().all(|name| name == "Reichstag Building"));
    let expected = Why::SameName { with: "Reichstag Building".to_owned() };
    assert_eq!(why(&question, "reichstag building"), expected);
}

#[test]
fn a_known_sight_gives_its_name_to_labels_that_mean_it() {
    let gate = KnownSight {
        aliases: vec!["Brandenburger Tor".to_owned(), "勃兰登堡门".to_owned()],
        wikidata: Some("Q82425".to_owned()),
        mid: Some("/m/0b_5z".to_owned()),
        ..sight("Brandenburg Gate")
    };
    let id = gate.id;
    let names =
        ["BRANDENBURGER TOR", "勃兰登堡门", "Q82425", "Brandenburger Gate", "Porte de Brandebourg", "Dom"];
    let mut question = question("Berlin", &names);
    question.labels[4].mid = Some("/m/0b_5z".to_owned());
    question.sights = vec![sight("Siegessäule"), gate];
    let merged = merged(&question);
    let with = || "Brandenburg Gate".to_owned();
    let of = |label: &str| merged.iter().find(|merged| merged.label == label).unwrap();
    for (label, why) in [
        ("BRANDENBURGER TOR", Why::SameName { with: with() }),
        ("勃兰登堡门", Why::SameName { with: with() }),
        ("Q82425", Why::SameName { with: with() }),
        ("Brandenburger Gate", Why::Alike { with: with(), percent: 94 }),
        ("Porte de Brandebourg", Why::SameEntity { with: with() }),
    ] {
        let expected = Merged { label: label.to_owned(), name: with(), sight: Some(id), why };
        assert_eq!(of(label), &expected);
    }
    assert_eq!((&*of("Dom").name, of("Dom").sight), ("Dom", None));
}

#[test]
fn a_label_between_two_sights_does_not_make_them_one() {
    let (museum, childhood) =
        (sight("Victoria and Albert Museum"), sight("Victoria and Albert Museum of Childhood"));
    let names = [
        "Victoria and Albert Museum",
        "Victoria & Albert Museum of Childhood",
        "The Victoria and Albert Museum",
    ];
    let question = Question { sights: vec![childhood.clone(), museum.clone()], ..question("London", &names) };
    assert_names(
        &question,
        &[(names[0], &museum.name), (names[1], &childhood.name), (names[2], &museum.name)],
    );
}

#[test]
fn two_sources_may_know_the_same_sight() {
    let with_item = KnownSight { wikidata: Some("Q1".to_owned()), ..sight("Berlin Cathedral Church") };
    let same = [
        KnownSight { wikidata: Some("Q1".to_owned()), ..sight("Berliner Dom") },
        sight("BERLIN CATHEDRAL CHURCH"),
    ];
    let mut question = question("Berlin", &["Berliner Dom", "Berlin Cathedral Church"]);
    question.sights = [&same[..], &[with_item]].concat();
    let merged = merged(&question);
    assert_eq!((&merged[0].name, merged[0].sight), (&merged[1].name, merged[1].sight));
    assert_ne!(merged[0].name, "BERLIN CATHEDRAL CHURCH", "Wikidata does not know it");
}

#[test]
fn what_was_undone_stays_undone() {
    let names = ["Brandenburg Gate", "Brandenburg Gate Quadriga", "View of the Brandenburg Gate Quadriga"];
    let mut question = question("Berlin", &names);
    question.kept_apart = vec![apart(names[1], names[0])];
    let expected = [(names[0], names[0]), (names[1], names[1]), (names[2], names[1])];
    assert_names(&question, &expected);
    assert_eq!(why(&question, names[2]), Why::Contained { with: names[1].to_owned() });
    question.sights = vec![sight("Brandenburg Gate Quadriga")];
    question.kept_apart = vec![apart("Brandenburg Gate Quadriga", names[0]), apart("nobody", "wrote these")];
    assert_names(&question, &expected);
}

#[test]
fn reasons_can_be_read() {
    let with = || "Tor".to_owned();
    for (why, text) in [
        (Why::Itself, "its own name"),
        (Why::SameName { with: with() }, "the same name as `Tor`"),
        (Why::SameEntity { with: with() }, "the same landmark as `Tor` for Google"),
        (Why::Contained { with: with() }, "one holds the other: `Tor`"),
        (Why::Alike { with: with(), percent: 94 }, "94 % like `Tor`"),
    ] {
        assert_eq!(why.to_string(), text);
    }
}

#[test]
fn places_far_apart_are_not_alike() {
    let mut question = question("London", &["St Mary Magdalene Church", "St Mary Magdalenes Church"]);
    for (label, latitude) in question.labels.iter_mut().zip([51.5, 51.6]) {
        (label.latitude, label.longitude) = (Some(latitude), Some(0.0));
    }
    assert_eq!(
        names(&question).values().collect::<Vec<_>>(),
        ["St Mary Magdalene Church", "St Mary Magdalenes Church"]
    );
    question.labels[1].latitude = Some(51.501);
    assert!(names(&question).values().all(|name| name == "St Mary Magdalene Church"));
}

/// Names that are often alike, contained, the same but for spelling, or numbered.
fn word() -> impl Strategy<Value = String> {
    let words = "(The |Old |Berlin |北京)?(Brandenburg|BRANDENBURGER|Branden\\u{AD}burg|Charlotten|Museum)( Palace Garden|PalaceGarden| Gate|门广场)?( 1| II| at Night|!)?";
    proptest::string::string_regex(words).unwrap()
}

fn questions() -> impl Strategy<Value = Question> {
    let label =
        (word(), 0..4_u64, prop::option::weighted(0.2, 0..3_u8), prop::option::weighted(0.2, 50.0..50.1_f64));
    let label = label.prop_map(|(name, count, mid, latitude)| Label {
        name,
        count,
        mid: mid.map(|mid| format!("/m/{mid}")),
        latitude,
        longitude: latitude,
    });
    let sight = (word(), prop::option::weighted(0.5, word()), prop::option::of(0..3_u8));
    let sight = sight.prop_map(|(name, alias, item)| KnownSight {
        aliases: alias.into_iter().collect(),
        wikidata: item.map(|item| format!("Q{item}")),
        ..self::sight(&name)
    });
    let lists = (
        prop::collection::vec(label, 0..14),
        prop::collection::vec(sight, 0..4),
        prop::collection::vec((word(), word()), 0..4),
    );
    lists.prop_map(|(labels, sights, kept_apart)| Question {
        city: vec!["Berlin".to_owned(), "北京".to_owned()],
        labels,
        sights,
        kept_apart,
    })
}

proptest! {
    #[test]
    fn w_c15_the_order_does_not_matter(question in questions(), seed: u64) {
        let mut shuffled = question.clone();
        let mut chance = fastrand::Rng::with_seed(seed);
        chance.shuffle(&mut shuffled.labels);
        chance.shuffle(&mut shuffled.sights);
        chance.shuffle(&mut shuffled.kept_apart);
        prop_assert_eq!(merged(&shuffled), merged(&question));
    }

    #[test]
    fn every_label_has_one_answer_and_a_class_is_a_label_or_a_sight(question in questions()) {
        let merged = merged(&question);
        let mut written: Vec<&str> = question.labels.iter().map(|label| &*label.name).collect();
        written.sort_unstable();
        written.dedup();
        prop_assert_eq!(merged.iter().map(|merged| &*merged.label).collect::<Vec<_>>(), written);
        for Merged { label, name, sight, why } in &merged {
            let known = question.sights.iter().find(|known| Some(known.id) == *sight);
            prop_assert_eq!(known.is_some(), sight.is_some());
            match known {
                Some(known) => prop_assert_eq!(name, &known.name),
                None => prop_assert!(merged.iter().any(|other| &other.label == name && other.name == other.label)),
            }
            prop_assert_eq!(*why == Why::Itself, sight.is_none() && label == name);
        }
    }

    #[test]
    fn w_c15_labels_that_link_have_one_class(question in questions()) {
        let mut question = Question { sights: vec![], kept_apart: vec![], ..question };
        question.labels.sort_by(|one, other| one.name.cmp(&other.name));
        question.labels.dedup_by(|one, other| one.name == other.name);
        let all = names(&question);
        for one in &question.labels {
            for other in &question.labels {
                let pair = Question { labels: vec![one.clone(), other.clone()], ..question.clone() };
                let is_linked = names(&pair).values().collect::<std::collections::BTreeSet<_>>().len() == 1;
                prop_assert!(!is_linked || all[&one.name] == all[&other.name], "{} {}", one.name, other.name);
            }
        }
    }

    #[test]
    fn what_is_kept_apart_is_apart(question in questions()) {
        let all = names(&question);
        for (one, other) in &question.kept_apart {
            let (Some(first), Some(second)) = (all.get(one), all.get(other)) else { continue };
            prop_assert!(one == other || first != second, "{one} {other}");
        }
    }

    #[test]
    fn what_is_clean_stays_as_it_is(question in questions()) {
        let question = Question { sights: vec![], kept_apart: vec![], ..question };
        let classes: Vec<String> = names(&question).into_values().collect();
        let is_class = |label: &Label| classes.contains(&label.name);
        let again = Question { labels: question.labels.iter().filter(|label| is_class(label)).cloned().collect(), ..question.clone() };
        prop_assert!(names(&again).iter().all(|(label, name)| label == name));
    }
}
