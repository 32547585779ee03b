//! The query.

use super::super::language;
use crate::City;

/// Kilometres around the middle of a city that belong to it in any case.
const RADIUS: u32 = 5;

/// Kilometres from where the city is said to be to where Wikidata has it.
const TOLERANCE: u32 = 25;

/// Items whose class is looked at, the most notable first. Looking is what takes the time.
const CONSIDERED: u32 = 600;

/// Rows for each sight that is wanted: an item with several coordinates or categories has several.
const ROWS_PER_SIGHT: u32 = 4;

/// What tourists visit, with all that is a kind of it.
const CLASSES: [(&str, &str); 45] = [
    ("Q570116", "tourist attraction"),
    ("Q2319498", "landmark"),
    ("Q4989906", "monument"),
    ("Q5003624", "memorial"),
    ("Q33506", "museum"),
    ("Q16970", "church building"),
    ("Q2977", "cathedral"),
    ("Q44613", "monastery"),
    ("Q32815", "mosque"),
    ("Q34627", "synagogue"),
    ("Q44539", "temple"),
    ("Q23413", "castle"),
    ("Q57821", "fortification"),
    ("Q16748868", "city walls"),
    ("Q82117", "city gate"),
    ("Q143912", "triumphal arch"),
    ("Q12518", "tower"),
    ("Q1440300", "observation tower"),
    ("Q11303", "skyscraper"),
    ("Q39715", "lighthouse"),
    ("Q12280", "bridge"),
    ("Q474", "aqueduct"),
    ("Q16560", "palace"),
    ("Q7138926", "parliament building"),
    ("Q25550691", "town hall"),
    ("Q22698", "park"),
    ("Q1107656", "garden"),
    ("Q167346", "botanical garden"),
    ("Q43501", "zoo"),
    ("Q174782", "square"),
    ("Q483453", "fountain"),
    ("Q179700", "statue"),
    ("Q483110", "stadium"),
    ("Q24354", "theatre building"),
    ("Q153562", "opera house"),
    ("Q54831", "amphitheatre"),
    ("Q839954", "archaeological site"),
    ("Q109607", "ruins"),
    ("Q381885", "tomb"),
    ("Q12516", "pyramid"),
    ("Q39614", "cemetery"),
    ("Q330284", "marketplace"),
    ("Q7075", "library"),
    ("Q8502", "mountain"),
    ("Q40080", "beach"),
];

/// How a city is found.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Place {
    /// The item with this id in GeoNames.
    Geonames(i64),
    /// The most notable item with this name that is not too far from here, if that is known.
    Named(String, Option<Point>),
    /// No item: what lies around.
    Around(Point),
}

/// Longitude and latitude.
type Point = (f64, f64);

impl Place {
    /// All ways to find a city, the surest first.
    pub(super) fn all_of(city: &City) -> Vec<Self> {
        let point = city.longitude.zip(city.latitude);
        let ways = [
            city.geonames.map(Self::Geonames),
            Some(Self::Named(city.name.clone(), point)),
            point.map(Self::Around),
        ];
        ways.into_iter().flatten().collect()
    }

    /// The pattern that binds `?city`; empty where there is no item.
    fn city(&self) -> String {
        match self {
            Self::Geonames(id) => format!("?city wdt:P1566 \"{id}\" ."),
            Self::Named(name, point) => {
                let near = point.map(|point| {
                    let here = literal(point);
                    format!("?city wdt:P625 ?there . FILTER(geof:distance(?there, {here}) < {TOLERANCE})")
                });
                format!(
                    "{{ SELECT ?city WHERE {{ ?city rdfs:label {}@en ; wikibase:sitelinks ?fame . {} }} \
                     ORDER BY DESC(?fame) LIMIT 1 }}",
                    quoted(name),
                    near.unwrap_or_default()
                )
            }
            Self::Around(_) => String::new(),
        }
    }

    /// The patterns that bind `?item` to all that is in the city.
    fn items(&self) -> String {
        match self {
            Self::Around(point) => around(&literal(*point)),
            Self::Geonames(_) | Self::Named(..) => {
                let city = self.city();
                let near = around("?centre");
                format!(
                    "{{ {city} ?item wdt:P131+ ?city . }} UNION {{ {city} ?city wdt:P625 ?centre . {near} }}"
                )
            }
        }
    }
}

/// The query for the sights of a city. Names are in English, else in the country's language.
///
/// The inner query takes the most notable items of the place, whatever they are, which the service does by its indexes;
/// only for those the outer one looks at classes. The other way round takes longer than the minute that a query has.
/// Settlements are no sights, though some are attractions, nor is what stands no more.
pub(super) fn sights(place: &Place, country: Option<&str>, limit: u32) -> String {
    let items = place.items();
    let classes: Vec<String> = CLASSES.iter().map(|(class, _)| format!("wd:{class}")).collect();
    let classes = classes.join(" ");
    let languages = match country.and_then(language::of_country) {
        Some(own) => format!("en,{own},mul"),
        None => "en,mul".to_owned(),
    };
    let rows = limit.max(1).saturating_mul(ROWS_PER_SIGHT);
    format!(
        r#"PREFIX bd: <http://www.bigdata.com/rdf#>
PREFIX geo: <http://www.opengis.net/ont/geosparql#>
PREFIX geof: <http://www.opengis.net/def/geosparql/function/>
PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>
PREFIX wd: <http://www.wikidata.org/entity/>
PREFIX wdt: <http://www.wikidata.org/prop/direct/>
PREFIX wikibase: <http://wikiba.se/ontology#>
SELECT ?item ?itemLabel ?coordinate ?category ?links WHERE {{
  {{
    SELECT DISTINCT ?item ?links WHERE {{
      {items}
      ?item wikibase:sitelinks ?links .
      FILTER(?links > 1)
      FILTER EXISTS {{ ?item wdt:P625 ?anywhere . }}
    }}
    ORDER BY DESC(?links)
    LIMIT {CONSIDERED}
  }}
  ?item wdt:P625 ?coordinate .
  FILTER EXISTS {{ VALUES ?kind {{ {classes} }} ?item wdt:P31/wdt:P279* ?kind . }}
  FILTER NOT EXISTS {{ ?item wdt:P31/wdt:P279* wd:Q486972 . }}
  FILTER NOT EXISTS {{ ?item wdt:P576 ?end . }}
  OPTIONAL {{ ?item wdt:P373 ?category . }}
  SERVICE wikibase:label {{ bd:serviceParam wikibase:language "{languages}" . }}
}}
ORDER BY DESC(?links) ?item
LIMIT {rows}
"#
    )
}

fn around(centre: &str) -> String {
    format!(
        "SERVICE wikibase:around {{ ?item wdt:P625 ?near . bd:serviceParam wikibase:center {centre} . \
         bd:serviceParam wikibase:radius \"{RADIUS}\" . }}"
    )
}

fn literal((longitude, latitude): Point) -> String {
    format!("\"Point({longitude} {latitude})\"^^geo:wktLiteral")
}

/// A string of SPARQL.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            control if control.is_control() => quoted.push(' '),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn berlin() -> City {
        City {
            name: "Berlin".to_owned(),
            country: Some("DE".to_owned()),
            latitude: Some(52.52),
            longitude: Some(13.41),
            geonames: Some(2_950_159),
        }
    }

    #[test]
    fn a_city_is_found_by_id_then_by_name_then_by_place() {
        let queries: Vec<String> =
            Place::all_of(&berlin()).iter().map(|place| sights(place, Some("DE"), 10)).collect();
        assert!(queries[0].contains("?city wdt:P1566 \"2950159\" ."));
        assert!(queries[1].contains("rdfs:label \"Berlin\"@en"));
        assert!(queries[1].contains("geof:distance(?there, \"Point(13.41 52.52)\"^^geo:wktLiteral) < 25"));
        assert!(queries[2].contains("wikibase:center \"Point(13.41 52.52)\"^^geo:wktLiteral"));
        assert_eq!(queries.len(), 3);
        let nameless = City { name: "Berlin".to_owned(), ..City::default() };
        assert_eq!(Place::all_of(&nameless), [Place::Named("Berlin".to_owned(), None)]);
    }

    #[test]
    fn names_are_in_english_and_the_language_of_the_country() {
        let languages = |country| {
            let query = sights(&Place::Geonames(1), country, 10);
            query.split("wikibase:language \"").nth(1).unwrap().split('"').next().unwrap().to_owned()
        };
        assert_eq!(languages(Some("DE")), "en,de,mul");
        assert_eq!(languages(Some("GB")), "en,mul");
        assert_eq!(languages(None), "en,mul");
    }

    #[test]
    fn the_query_has_limits_and_is_short_enough_for_an_address() {
        for place in Place::all_of(&berlin()) {
            let query = sights(&place, Some("DE"), 10);
            assert!(query.contains("LIMIT 600") && query.ends_with("LIMIT 40\n"));
            assert!(query.len() < 4_000, "{} bytes", query.len());
        }
    }

    #[test]
    fn classes_are_named_once() {
        let ids: std::collections::HashSet<_> = CLASSES.iter().map(|(id, _)| id).collect();
        assert_eq!(ids.len(), CLASSES.len());
    }

    proptest! {
        #[test]
        fn whatever_a_city_is_called_the_brackets_match(name in "[a-z\"\\\\{}()\n' ]{0,12}") {
            let query = sights(&Place::Named(name, Some((1.0, 2.0))), None, 10);
            let mut open = Vec::new();
            let mut letters = query.chars();
            while let Some(letter) = letters.next() {
                match letter {
                    '"' => while let Some(inside) = letters.next() {
                        match inside {
                            '"' => break,
                            '\\' => { letters.next(); }
                            _ => prop_assert!(inside != '\n'),
                        }
                    },
                    '{' => open.push('}'),
                    '(' => open.push(')'),
                    '}' | ')' => prop_assert_eq!(open.pop(), Some(letter)),
                    _ => {}
                }
            }
            prop_assert!(open.is_empty());
        }
    }
}
