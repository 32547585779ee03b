//! Wikidata's API: items by name and by id.

use serde_json::{Map, Value, json};

use super::super::params::{Params, folded};
use super::super::world::{City, Sight, World};
use super::{Outcome, Refusal};

/// More ids in one request are refused.
const MOST_IDS: usize = 50;

/// What the API tells of an item.
struct Item<'a> {
    id: &'a str,
    name: &'a str,
    german: Option<&'a str>,
    description: &'a str,
    claims: Value,
    sitelinks: u32,
}

pub(super) fn search(world: &World, params: &Params) -> Outcome {
    if !params.has("search") || !params.has("language") {
        return Err(Refusal::new("missingparam", "The \"search\" and \"language\" parameters must be set."));
    }
    let wanted = folded(params.text("search"));
    let found = items(world).filter(|item| folded(item.name).starts_with(&wanted));
    let found: Vec<Value> = found.take(params.number("limit", 7)).map(|item| result(&item)).collect();
    Ok(json!({"searchinfo": {"search": params.text("search")}, "search": found, "success": 1}))
}

fn result(item: &Item<'_>) -> Value {
    json!({
        "id": item.id,
        "title": item.id,
        "concepturi": uri(item.id),
        "repository": "wikidata",
        "url": format!("//www.wikidata.org/wiki/{}", item.id),
        "label": item.name,
        "description": item.description,
        "match": {"type": "label", "language": "en", "text": item.name},
    })
}

pub(super) fn get(world: &World, params: &Params) -> Outcome {
    let ids = params.parts("ids");
    if ids.is_empty() {
        return Err(Refusal::new(
            "param-missing",
            "Either provide the Item \"ids\" or pairs of \"sites\" and \"titles\".",
        ));
    }
    if ids.len() > MOST_IDS {
        return Err(Refusal::new(
            "toomanyvalues",
            format!("Too many values supplied for parameter \"ids\". The limit is {MOST_IDS}."),
        ));
    }
    let known = |id: &str| items(world).find(|item| item.id == id).map(|item| entity(&item));
    let entities = ids
        .into_iter()
        .map(|id| (id.to_owned(), known(id).unwrap_or_else(|| json!({"id": id, "missing": ""}))));
    Ok(json!({"entities": entities.collect::<Map<_, _>>(), "success": 1}))
}

fn entity(item: &Item<'_>) -> Value {
    let label =
        |(language, name): (&str, &str)| (language.to_owned(), json!({"language": language, "value": name}));
    let german = item.german.map(|name| ("de", name));
    let labels: Map<_, _> = [("en", item.name)].into_iter().chain(german).map(label).collect();
    let description = json!({"en": {"language": "en", "value": item.description}});
    json!({
        "type": "item",
        "id": item.id,
        "labels": labels,
        "descriptions": description,
        "aliases": {},
        "claims": item.claims,
        "sitelinks": sitelinks(item),
    })
}

/// As many as the item has; which ones does not matter.
fn sitelinks(item: &Item<'_>) -> Map<String, Value> {
    let link = |number: u32| {
        let site = if number == 0 { "enwiki".to_owned() } else { format!("x{number}wiki") };
        (site.clone(), json!({"site": site, "title": item.name, "badges": []}))
    };
    (0..item.sitelinks).map(link).collect()
}

fn items(world: &World) -> impl Iterator<Item = Item<'_>> {
    std::iter::once(of_city(&world.city)).chain(world.sights.iter().map(of_sight))
}

fn of_city(city: &City) -> Item<'_> {
    let claims = json!({
        "P625": [place(city.latitude, city.longitude)],
        "P1566": [text("P1566", "external-id", &city.geonames.to_string())],
    });
    Item { id: &city.wikidata, name: &city.name, german: None, description: "city", claims, sitelinks: 300 }
}

fn of_sight(sight: &Sight) -> Item<'_> {
    let mut claims = json!({"P625": [place(sight.latitude, sight.longitude)]});
    if let Some(category) = &sight.category {
        claims["P373"] = json!([text("P373", "string", category)]);
    }
    Item {
        id: &sight.wikidata,
        name: &sight.name,
        german: sight.german.as_deref(),
        description: "sight",
        claims,
        sitelinks: sight.sitelinks,
    }
}

fn place(latitude: f64, longitude: f64) -> Value {
    let value = json!({
        "latitude": latitude,
        "longitude": longitude,
        "altitude": null,
        "precision": 0.0001,
        "globe": uri("Q2"),
    });
    statement("P625", "globe-coordinate", &json!({"value": value, "type": "globecoordinate"}))
}

fn text(property: &str, kind: &str, value: &str) -> Value {
    statement(property, kind, &json!({"value": value, "type": "string"}))
}

fn statement(property: &str, kind: &str, value: &Value) -> Value {
    let snak = json!({"snaktype": "value", "property": property, "datavalue": value, "datatype": kind});
    json!({"mainsnak": snak, "type": "statement", "rank": "normal"})
}

/// The identifier of an item in the semantic web.
pub(super) fn uri(id: &str) -> String {
    format!("http://www.wikidata.org/entity/{id}")
}

#[cfg(test)]
mod tests {
    use super::super::super::visitor::get;
    use super::super::super::world::samples::world;
    use super::super::Wikimedia;

    #[tokio::test]
    async fn items_are_found_by_name_and_told_by_id() {
        let wikimedia = Wikimedia::start(world()).await;
        let path = "/w/api.php?action=wbsearchentities&search=tow&language=en&format=json";
        let found = get(&wikimedia.upstream, path).await.json();
        assert_eq!(found["search"][0]["id"], "Q243");
        let path = "/w/api.php?action=wbgetentities&ids=Q243%7CQ404&format=json";
        let told = get(&wikimedia.upstream, path).await.json();
        let entity = &told["entities"]["Q243"];
        assert_eq!(entity["labels"]["de"]["value"], "Turm");
        assert_eq!(entity["claims"]["P373"][0]["mainsnak"]["datavalue"]["value"], "Tower");
        assert_eq!(entity["claims"]["P625"][0]["mainsnak"]["datavalue"]["value"]["latitude"], 48.8583);
        assert_eq!(entity["sitelinks"].as_object().unwrap().len(), 190);
        assert_eq!(told["entities"]["Q404"]["missing"], "");
    }

    #[tokio::test]
    async fn too_many_ids_are_refused() {
        let wikimedia = Wikimedia::start(world()).await;
        let ids: Vec<String> = (0..51).map(|number| format!("Q{number}")).collect();
        let path = format!("/w/api.php?action=wbgetentities&ids={}&format=json", ids.join("%7C"));
        assert_eq!(get(&wikimedia.upstream, &path).await.json()["error"]["code"], "toomanyvalues");
    }
}
