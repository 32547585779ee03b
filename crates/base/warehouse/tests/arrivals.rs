//! Arrivals: what other programs insert into `load_*` with plain SQL is moved on.

use std::sync::Arc;

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityState, ProducerKind};
use sightscan_warehouse::arrivals::{self, Moved};
use sightscan_warehouse::cities::{self, Filter as Cities};
use sightscan_warehouse::images::{self, Filter, Image};
use sightscan_warehouse::{Database, Dialect, labels, models};

use crate::support::{Header, Sent, TestWarehouse, picture, warehouse};

on_both_engines![
    row_01_an_arrival_goes_from_load_to_core_and_mart,
    row_02_the_same_arrival_twice_is_one_image,
    row_03_any_name_of_a_city_arrives,
    arrivals_find_a_city_by_any_of_its_names,
    row_04_labels_arrive_by_source_in_both_forms,
    row_04_labels_of_an_unknown_source_change_nothing_and_wait_for_their_image,
    row_05_arrived_models_count_from_1_and_their_city_is_live,
    row_07_w_c08_an_image_has_its_true_width_and_height,
    what_cannot_be_moved_stays_with_the_reason_and_hinders_nobody,
    what_no_column_can_hold_hinders_nobody,
    labels_that_wait_for_their_image_hinder_nobody,
    an_arrival_does_not_push_a_city_back,
    two_who_move_at_once_move_each_row_once,
    w_p02_moving_on_changes_no_table,
];

const GATE: &str = "https://example.org/gate.jpg";

impl TestWarehouse {
    async fn of_source(&self, source: &str) -> Image {
        let mut found = images::by_source(self.database(), source).await.unwrap();
        assert_eq!(found.len(), 1, "images of {source}");
        found.remove(0)
    }

    async fn refusals(&self, table: &str) -> Vec<String> {
        self.tool().await.texts_of(format!("SELECT refused FROM {table} ORDER BY refused")).await
    }
}

async fn row_01_an_arrival_goes_from_load_to_core_and_mart(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let bytes = picture(640, 480, "a gate");
    test.tool().await.send_image(&bytes, "new_york", GATE).await;
    assert_eq!(test.move_on().await, Moved { images: 1, ..Moved::default() });
    assert_eq!(test.count("SELECT COUNT(*) FROM load_images").await, 0);
    let image = test.of_source(GATE).await;
    assert_eq!((image.width, image.height, image.media_type.as_str()), (640, 480, "image/png"));
    assert_eq!(test.warehouse.blobs.get(&image.sha256).await.unwrap(), bytes);
    let city = test.city("New York").await;
    assert_eq!((city.slug.as_str(), city.legacy_name.as_str()), ("new-york", "NEW_YORK"));
    assert_eq!(images::cities(test.database(), image.id).await.unwrap(), [city.id]);
    let linked = "SELECT t.date FROM city_images f JOIN times t ON t.time_id = f.time_id \
                  WHERE t.time_id = f.added_at / 3600000 AND t.hour = t.time_id % 24";
    let today = chrono::DateTime::from_timestamp_millis(test.database().now()).unwrap();
    let dates = test.tool().await.texts(linked).await;
    assert!(dates.len() == 1 && dates[0] <= today.format("%Y-%m-%d").to_string(), "{dates:?}");
    let listed = images::list(test.database(), city.id, &Filter::default(), None, 10).await.unwrap();
    assert_eq!((listed.len(), listed[0].source.as_str()), (1, GATE));
    // Whoever can write into the database need not ask for the city.
    assert_eq!(city.state, CityState::Labelling);
    let history = cities::history(test.database(), city.id, 0, 10).await.unwrap();
    assert!(history.iter().all(|event| event.actor == "import"));
    assert_eq!(test.move_on().await, Moved::default());
}

async fn row_02_the_same_arrival_twice_is_one_image(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    for city in ["Paris", "PARIS", "Rome"] {
        tool.send_image(&picture(10, 20, "a tower"), city, GATE).await;
    }
    assert_eq!(test.move_on().await.images, 3);
    let image = test.of_source(GATE).await;
    assert_eq!(images::cities(test.database(), image.id).await.unwrap().len(), 2);
    assert_eq!(images::origins(test.database(), image.id).await.unwrap().len(), 1);
    // W-C39: the same source with other bytes.
    tool.send_image(&picture(10, 20, "a tower by night"), "Paris", GATE).await;
    assert_eq!(test.move_on().await.images, 1);
    assert_eq!(images::by_source(test.database(), GATE).await.unwrap().len(), 2);
}

async fn row_03_any_name_of_a_city_arrives(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let names = [
        ("new_york", "NEW_YORK"),
        ("Xi'an", "XI'AN"),
        ("Stratford-upon-Avon", "STRATFORD-UPON-AVON"),
        ("Köln", "KÖLN"),
        ("St. John's", "ST._JOHN'S"),
        ("北京", "北京"),
    ];
    for (name, _) in names {
        test.tool().await.send_image(&picture(1, 1, name), name, name).await;
    }
    assert_eq!(test.move_on().await, Moved { images: 6, ..Moved::default() });
    for (name, legacy) in names {
        let city = test.city(name).await;
        assert_eq!(city.legacy_name, legacy);
        let image = test.of_source(name).await;
        assert_eq!(images::cities(test.database(), image.id).await.unwrap(), [city.id], "{name}");
    }
    let all = cities::list(test.database(), &Cities::default(), None, 100).await.unwrap();
    assert_eq!(all.len(), names.len());
}

async fn arrivals_find_a_city_by_any_of_its_names(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    // Somebody asked for it when nobody knew where it lies.
    let city = test.city("Köln").await;
    for name in ["Köln", "Cologne", "KOLN"] {
        test.tool().await.send_image(&picture(1, 1, name), name, name).await;
    }
    test.tool().await.send_model("Cologne", b"MODEL 1", 1).await;
    assert_eq!(test.move_on().await, Moved { images: 3, models: 1, ..Moved::default() });
    let all = cities::list(test.database(), &Cities::default(), None, 100).await.unwrap();
    assert_eq!(all.iter().map(|city| city.name.as_str()).collect::<Vec<_>>(), ["Köln"]);
    assert_eq!(all[0].id, city.id);
    assert!(all[0].place.is_some());
}

async fn row_04_labels_arrive_by_source_in_both_forms(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    for source in ["one", "two", "three"] {
        tool.send_image(&picture(1, 1, source), "Paris", source).await;
    }
    let legacy =
        r#"[{"label": "Tour Eiffel, Paris", "ul_x": 0.135, "ul_y": 0.725, "lr_x": 0.825, "lr_y": 0.015}]"#;
    tool.send_labels("one", legacy).await;
    tool.send_labels(
        "two",
        r#"[{"label": "Louvre", "x": 0.25, "y": 0.5, "w": 0.125, "h": 0.25, "score": 0.75}]"#,
    )
    .await;
    tool.send_labels("three", "[]").await;
    assert_eq!(test.move_on().await, Moved { images: 3, labels: 3, ..Moved::default() });
    assert_eq!(test.count("SELECT COUNT(*) FROM load_labels").await, 0);
    let current = async |source| {
        let image = test.of_source(source).await;
        labels::current(test.database(), image.id).await.unwrap().unwrap()
    };
    let tower = current("one").await;
    assert_eq!(
        (tower.producer.kind, tower.boxes[0].label.as_str()),
        (ProducerKind::Import, "Tour Eiffel, Paris")
    );
    assert_eq!(tower.boxes[0].area.to_legacy(), [0.135, 0.725, 0.825, 0.015]);
    assert!((tower.boxes[0].area.y - 0.275).abs() < 1e-9, "y counts downwards from the top");
    assert_eq!(current("two").await.boxes, [crate::support::labelled("Louvre")]);
    assert_eq!(current("three").await.boxes, []);
}

async fn row_04_labels_of_an_unknown_source_change_nothing_and_wait_for_their_image(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    test.tool().await.send_labels(GATE, r#"[{"label": "Gate", "x": 0, "y": 0, "w": 1, "h": 1}]"#).await;
    assert_eq!(test.move_on().await, Moved { refused: 1, ..Moved::default() });
    assert_eq!(test.count("SELECT COUNT(*) FROM labels").await, 0);
    assert_eq!(test.refusals("load_labels").await, ["no image has this source yet"]);
    test.tool().await.send_image(&picture(1, 1, ""), "Berlin", GATE).await;
    assert_eq!(test.move_on().await, Moved { images: 1, labels: 1, ..Moved::default() });
    let image = test.of_source(GATE).await;
    let current = labels::current(test.database(), image.id).await.unwrap().unwrap();
    assert_eq!(current.boxes[0].label, "Gate");
}

async fn row_05_arrived_models_count_from_1_and_their_city_is_live(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    tool.send_model("berlin", b"MODEL one", 101).await;
    assert_eq!(test.move_on().await, Moved { models: 1, ..Moved::default() });
    tool.send_model("BERLIN", b"MODEL two", 202).await;
    assert_eq!(test.move_on().await.models, 1);
    let berlin = test.city("Berlin").await;
    assert_eq!(berlin.state, CityState::Live);
    let current = models::current(test.database(), &berlin.slug).await.unwrap().unwrap();
    assert_eq!((current.version, current.considered_images), (2, 202));
    assert_eq!(current.specification, "classes = []");
    assert_eq!(test.warehouse.blobs.get(&current.sha256).await.unwrap(), "MODEL two");
    assert_eq!(test.count("SELECT COUNT(*) FROM load_models").await, 0);
}

async fn row_07_w_c08_an_image_has_its_true_width_and_height(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    // The sender has them the wrong way round.
    let statement =
        "INSERT INTO load_images (image, city, source, width, height) VALUES ($1, 'Berlin', $2, 480, 640)";
    let bytes = picture(640, 480, "");
    test.tool().await.run(statement, &[Sent::Bytes(&bytes), Sent::Text(GATE)]).await;
    test.move_on().await;
    let city = test.city("Berlin").await;
    let listed = images::list(test.database(), city.id, &Filter::default(), None, 10).await.unwrap();
    assert_eq!((listed[0].width, listed[0].height), (640, 480));
    let image = test.of_source(GATE).await;
    assert_eq!((image.width, image.height), (640, 480));
}

async fn what_cannot_be_moved_stays_with_the_reason_and_hinders_nobody(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    tool.send_image(b"a virus", "Berlin", "bad bytes").await;
    tool.send_image(&picture(1, 1, ""), " _ ", "bad city").await;
    tool.send_image(&picture(1, 1, ""), "Berlin", GATE).await;
    tool.send_model("Berlin", b"a pickle", 1).await;
    tool.send_model("Berlin", b"MODEL", 1).await;
    let outside = r#"[{"label": "Gate", "x": 0.5, "y": 0, "w": 0.75, "h": 1}]"#;
    let unreal = r#"[{"label": "Gate", "x": 0, "y": 0, "w": 1, "h": 1, "score": 70}]"#;
    // PostgreSQL cannot keep this character.
    let unwritable = r#"[{"label": "Gate\u0000", "x": 0, "y": 0, "w": 1, "h": 1}]"#;
    for boxes in ["no JSON", r#"[{"label": "Gate"}]"#, outside, unreal, unwritable, "[]"] {
        tool.send_labels(GATE, boxes).await;
    }
    let moved = Moved { images: 1, labels: 1, models: 1, refused: 8 };
    assert_eq!(test.move_on().await, moved);
    let images = test.refusals("load_images").await;
    assert_eq!(images, ["the name of the city is empty; write one", "this is no picture"]);
    assert_eq!(test.refusals("load_models").await, ["this is no model"]);
    assert_eq!(test.refusals("load_labels").await.len(), 5);
    assert_eq!(test.move_on().await, Moved::default(), "they are not tried again");
    // Somebody mends one and clears the reason.
    let mended = "UPDATE load_images SET city = 'Rome', refused = NULL WHERE source = 'bad city'";
    tool.run(mended, &[]).await;
    assert_eq!(test.move_on().await, Moved { images: 1, ..Moved::default() });
}

/// SQLite takes any value in any column.
async fn what_no_column_can_hold_hinders_nobody(test: TestDatabase) {
    if test.database.dialect() == Dialect::Postgres {
        return;
    }
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    for statement in [
        "INSERT INTO load_images (image, city, source, arrived_at) VALUES (x'00', x'fffe', 'a blob', 1)",
        "INSERT INTO load_images (image, city, source, arrived_at) VALUES (x'00', 'Berlin', CAST(x'fffe' AS TEXT), 1)",
        "INSERT INTO load_images (image, city, source, arrived_at) VALUES (x'00', 'Berlin', 'a day', 'Monday')",
        "INSERT INTO load_labels (source, boxes, arrived_at) VALUES (x'fffe', '[]', 1)",
        "INSERT INTO load_models (city, model, considered_images, arrived_at) VALUES ('Rome', x'00', 'many', 1)",
    ] {
        tool.run(statement, &[]).await;
    }
    tool.send_image(&picture(1, 1, ""), "Berlin", GATE).await;
    let moved = test.move_on().await;
    assert_eq!(moved, Moved { images: 1, refused: 5, ..Moved::default() });
}

async fn labels_that_wait_for_their_image_hinder_nobody(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    let waiting = "INSERT INTO load_labels (source, boxes, arrived_at, refused) \
                   WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) \
                   SELECT 'nowhere ' || i, '[]', i, 'no image has this source yet' FROM n";
    tool.run(waiting, &[]).await;
    tool.send_image(&picture(1, 1, ""), "Berlin", GATE).await;
    tool.send_labels(GATE, "[]").await;
    assert_eq!(test.move_on().await, Moved { images: 1, labels: 1, ..Moved::default() });
}

async fn an_arrival_does_not_push_a_city_back(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let paused = test.city_at_work("Paris", 1).await;
    test.step(&paused, cities::Step::Pause("too dear".to_owned())).await;
    let mut tool = test.tool().await;
    tool.send_model("Berlin", b"MODEL", 1).await;
    test.move_on().await;
    tool.send_image(&picture(1, 1, "1"), "Berlin", "1").await;
    tool.send_image(&picture(1, 1, "2"), "Paris", "2").await;
    assert_eq!(test.move_on().await.images, 2);
    assert_eq!(test.city("Berlin").await.state, CityState::Live);
    assert_eq!(test.city("Paris").await.state, CityState::Paused);
}

async fn two_who_move_at_once_move_each_row_once(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    for number in 0..20 {
        let source = format!("source {number}");
        tool.send_image(&picture(1, 1, &source), if number % 2 == 0 { "Berlin" } else { "Rome" }, &source)
            .await;
        tool.send_labels(&source, "[]").await;
    }
    for number in 0..5 {
        tool.send_model("Berlin", format!("MODEL {number}").as_bytes(), 1).await;
    }
    let other = Database::open(&test.test.url.parse().unwrap()).await.unwrap();
    let other = warehouse(other, test.blobs.path());
    let (one, two) = tokio::join!(test.move_on(), arrivals::move_on(&other, Arc::new(Header)));
    let two = two.unwrap();
    // Labels that were looked at before their image was there wait for the next time.
    let rest = test.move_on().await;
    let sum = |of: fn(&Moved) -> u64| of(&one) + of(&two) + of(&rest);
    assert_eq!(
        [sum(|moved| moved.images), sum(|moved| moved.labels), sum(|moved| moved.models)],
        [20, 20, 5]
    );
    assert_eq!(test.count("SELECT COUNT(*) FROM images").await, 20);
    assert_eq!(test.count("SELECT COUNT(*) FROM labels").await, 20);
    assert_eq!(test.count("SELECT MAX(version) FROM models").await, 5);
    for table in ["load_images", "load_labels", "load_models"] {
        assert!(test.refusals(table).await.is_empty(), "{table}");
    }
}

async fn w_p02_moving_on_changes_no_table(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    let before = tool.relations().await;
    tool.send_image(&picture(1, 1, ""), "x'); DROP TABLE images; --", GATE).await;
    tool.send_model("Stratford-upon-Avon", b"MODEL", 1).await;
    assert_eq!(test.move_on().await, Moved { images: 1, models: 1, ..Moved::default() });
    assert_eq!(tool.relations().await, before);
}
