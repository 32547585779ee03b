//! Text that would like to be more than text: it comes back as it was sent, and nothing else happens.

use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::names::{CityName, Slug};
use sightscan_types::{Producer, ProducerKind};
use sightscan_warehouse::arrivals::Moved;
use sightscan_warehouse::images::{self, Filter};
use sightscan_warehouse::labels::{self, NewLabel};
use sightscan_warehouse::sights::{self, NewSight};
use sightscan_warehouse::{cities, models};

use crate::support::{Sent, TestWarehouse, crawled, labelled, picture};

on_both_engines![
    w_s01_hostile_names_of_cities_are_names,
    w_s03_hostile_text_of_images_and_labels_comes_back_verbatim,
    w_s03_hostile_arrivals_are_moved_on_verbatim,
    u_0000_is_left_out_of_texts,
];

const HOSTILE: [&str; 12] = [
    "'; DROP TABLE images; --",
    "\" OR 1=1 --",
    "x' UNION SELECT deletion_token FROM consents --",
    "$1 $2 {} %s %n ?1 :name @p",
    "$(reboot) `reboot` && reboot | tee /etc/passwd",
    "../../../etc/passwd",
    "<script>alert(1)</script>",
    "a\\'b\\\\c\\x00",
    "line\nbreak\r\n\ttab",
    "\u{202E}txet detrevni \u{1F5FC}",
    "NULL",
    "{\"json\": [1, 2]}, {array}, (row)",
];

async fn w_s01_hostile_names_of_cities_are_names(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let before = test.tool().await.relations().await;
    let mut made = 0;
    for text in HOSTILE {
        let Ok(name) = CityName::parse(text) else { continue };
        let city = test.city(text).await;
        let image = test.fresh_image(&city).await;
        assert_eq!(images::cities(test.database(), image).await.unwrap(), [city.id]);
        test.publish(&city, text, None).await;
        assert_eq!(models::current(test.database(), &city.slug).await.unwrap().unwrap().city, city.id);
        let found = cities::by_slug(test.database(), &city.slug).await.unwrap().unwrap();
        assert_eq!(found.name, name.display());
        assert!(found.slug.as_str().parse::<Slug>().is_ok(), "a slug is all that gets into paths");
        made += 1;
    }
    assert!(made >= 9, "{made}");
    assert_eq!(test.count("SELECT COUNT(*) FROM cities").await, made);
    assert_eq!(test.tool().await.relations().await, before);
}

async fn w_s03_hostile_text_of_images_and_labels_comes_back_verbatim(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    for text in HOSTILE {
        let mut transaction = test.database().begin().await.unwrap();
        let sight = NewSight { name: text.to_owned(), ..NewSight::default() };
        let sight = sights::find_or_create(&mut transaction, berlin.id, &sight, 1).await.unwrap();
        transaction.commit().await.unwrap();
        let mut image = crawled(text);
        image.sight = Some(sight);
        let some = Some(text.to_owned());
        image.provenance.licence.clone_from(&some);
        image.provenance.author.clone_from(&some);
        image.provenance.page_url.clone_from(&some);
        image.provenance.licence_url.clone_from(&some);
        let id = test.store(&berlin, text, &image).await.image;
        let producer = Producer { kind: ProducerKind::Human, name: text.to_owned() };
        let label = NewLabel { producer, boxes: vec![labelled(text)] };
        let mut transaction = test.database().begin().await.unwrap();
        labels::add(&mut transaction, id, &label, 1).await.unwrap();
        transaction.commit().await.unwrap();

        assert_eq!(images::origins(test.database(), id).await.unwrap()[0].provenance, image.provenance);
        assert_eq!(images::by_source(test.database(), text).await.unwrap()[0].id, id);
        let current = labels::current(test.database(), id).await.unwrap().unwrap();
        assert_eq!((current.producer, current.boxes), (label.producer, label.boxes));
        let filter = Filter { sight: some.clone(), label: some.clone(), licence: some, ..Filter::default() };
        let listed = images::list(test.database(), berlin.id, &filter, None, 100).await.unwrap();
        assert_eq!(listed.iter().map(|image| image.id).collect::<Vec<_>>(), [id], "{text}");
    }
}

async fn u_0000_is_left_out_of_texts(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let mut image = crawled("https://pictures.example/\0gate");
    image.provenance.author = Some("J\0ane".to_owned());
    let id = test.store(&berlin, "a gate", &image).await.image;
    test.label(id, ProducerKind::Human, &["Ga\0te"], 1).await;
    let origin = &images::origins(test.database(), id).await.unwrap()[0].provenance;
    assert_eq!((&*origin.source, origin.author.as_deref()), ("https://pictures.example/gate", Some("Jane")));
    assert_eq!(images::by_source(test.database(), &image.provenance.source).await.unwrap()[0].id, id);
    let current = labels::current(test.database(), id).await.unwrap().unwrap();
    assert_eq!(current.boxes, [labelled("Gate")]);
}

async fn w_s03_hostile_arrivals_are_moved_on_verbatim(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let mut tool = test.tool().await;
    for text in HOSTILE {
        let statement =
            "INSERT INTO load_images (image, city, source, licence, sight) VALUES ($1, 'Berlin', $2, $2, $2)";
        tool.run(statement, &[Sent::Bytes(&picture(1, 1, text)), Sent::Text(text)]).await;
        let boxes =
            serde_json::json!([{"label": text, "x": 0.25, "y": 0.5, "w": 0.125, "h": 0.25, "score": 0.75}]);
        tool.send_labels(text, &boxes.to_string()).await;
    }
    let count = u64::try_from(HOSTILE.len()).unwrap();
    assert_eq!(test.move_on().await, Moved { images: count, labels: count, ..Moved::default() });
    for text in HOSTILE {
        let [image] = &images::by_source(test.database(), text).await.unwrap()[..] else { panic!("{text}") };
        let current = labels::current(test.database(), image.id).await.unwrap().unwrap();
        assert_eq!(current.boxes, [labelled(text)]);
        let origin = images::origins(test.database(), image.id).await.unwrap().remove(0);
        assert_eq!(origin.provenance.licence.as_deref(), Some(text));
    }
}
