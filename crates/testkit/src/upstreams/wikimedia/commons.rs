//! Commons' API: files by category, search and place, with their `imageinfo`.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value, json};

use super::super::gallery::media_type;
use super::super::params::{Params, encoded, folded};
use super::super::world::{Picture, World, file_name, metres};
use super::upload::{original_url, thumbnail_url};
use super::{Outcome, Refusal, Site};

/// `imageinfo` is given for so many files in one answer.
const MOST_FILES: usize = 50;
/// The number of the namespace of files, and of categories.
const FILES: u32 = 6;
const CATEGORIES: u32 = 14;
/// The page id of the first file; categories follow far behind.
const FIRST_ID: usize = 1000;

/// A page of the wiki.
#[derive(Debug, Clone, PartialEq)]
enum Page<'a> {
    File(usize, &'a Picture),
    Category(usize, &'a str),
    Missing(String),
}

/// Pages, and where the rest of them begins.
struct Selection<'a> {
    pages: Vec<Page<'a>>,
    rest: Option<(String, String)>,
}

pub(super) fn query(site: &Site, params: &Params) -> Outcome {
    if params.text("list") == "categorymembers" {
        return list(site, params);
    }
    let selection = select(&site.world, params)?;
    let pages = selection.pages.iter().enumerate();
    let pages: Vec<Value> = pages.map(|(index, page)| described(site, page, index, params)).collect();
    let mut answer = json!({"batchcomplete": complete(params)});
    if !pages.is_empty() {
        answer["query"] = json!({"pages": keyed(pages, params)});
    }
    add_rest(&mut answer, selection.rest);
    Ok(answer)
}

/// `true` or, in the older form of the answers, an empty text.
fn complete(params: &Params) -> Value {
    if is_modern(params) { json!(true) } else { json!("") }
}

fn is_modern(params: &Params) -> bool {
    params.text("formatversion") == "2"
}

/// A list or, in the older form of the answers, a map by page id.
fn keyed(pages: Vec<Value>, params: &Params) -> Value {
    if is_modern(params) {
        return Value::Array(pages);
    }
    let by_id = pages.into_iter().enumerate().map(|(index, page)| match page.get("pageid") {
        Some(id) => (id.to_string(), page),
        None => (format!("-{}", index + 1), page),
    });
    Value::Object(by_id.collect())
}

fn add_rest(answer: &mut Value, rest: Option<(String, String)>) {
    if let Some((name, value)) = rest {
        let others = format!("{name}||");
        answer["continue"] = json!({ name: value, "continue": others });
    }
}

fn select<'a>(world: &'a World, params: &Params) -> Result<Selection<'a>, Refusal> {
    match params.text("generator") {
        "" => titles(world, params),
        "categorymembers" => members(world, params, "gcm"),
        "search" => search(world, params),
        "geosearch" => geosearch(world, params),
        other => {
            Err(Refusal::new("badvalue", format!("Unrecognized value for parameter \"generator\": {other}.")))
        }
    }
}

fn titles<'a>(world: &'a World, params: &Params) -> Result<Selection<'a>, Refusal> {
    let titles: Vec<&str> = params.text("titles").split('|').filter(|title| !title.is_empty()).collect();
    if titles.len() > MOST_FILES {
        let info = format!("Too many values supplied for parameter \"titles\". The limit is {MOST_FILES}.");
        return Err(Refusal::new("toomanyvalues", info));
    }
    let page = |title: &str| {
        let name = title.trim_start_matches("File:").replace('_', " ");
        let found = files(world).find(|(_, picture)| picture.name == name);
        found.map_or_else(|| Page::Missing(title.to_owned()), |(index, picture)| Page::File(index, picture))
    };
    Ok(Selection { pages: titles.into_iter().map(page).collect(), rest: None })
}

fn files(world: &World) -> impl Iterator<Item = (usize, &Picture)> {
    world.pictures.iter().enumerate()
}

/// How many a generator gives; with `imageinfo` not more than that gives.
fn limit(params: &Params, prefix: &str) -> Result<usize, Refusal> {
    let name = format!("{prefix}limit");
    let limit = if params.text(&name) == "max" { 500 } else { params.number(&name, 10) };
    let most = if params.text("prop").contains("imageinfo") { MOST_FILES } else { 500 };
    if !(1..=most).contains(&limit) {
        let info = format!("The value \"{limit}\" for parameter \"{name}\" must be between 1 and {most}.");
        return Err(Refusal::new("badinteger", info));
    }
    Ok(limit)
}

/// Members of a category: its pages after the one that `continue` names.
fn members<'a>(world: &'a World, params: &Params, prefix: &str) -> Result<Selection<'a>, Refusal> {
    let limit = limit(params, prefix)?;
    let title = params.text(&format!("{prefix}title")).replace('_', " ");
    let Some(category) = title.strip_prefix("Category:") else {
        return Err(Refusal::new("invalidcategory", "The category name you entered is not valid."));
    };
    let kinds = params.parts(&format!("{prefix}type"));
    let has = |kind: &str| kinds.is_empty() || kinds.contains(&kind);
    let subcategories = world.subcategories.iter().enumerate().filter(|(_, (parent, _))| parent == category);
    let subcategories = subcategories.map(|(index, (_, child))| Page::Category(index, child));
    let files = files(world).filter(|(_, picture)| picture.categories.iter().any(|name| name == category));
    let files = files.map(|(index, picture)| Page::File(index, picture));
    let all = subcategories.filter(|_| has("subcat")).chain(files.filter(|_| has("file")));
    let begin = params.text(&format!("{prefix}continue")).rsplit('|').next().unwrap_or_default().to_owned();
    let mut rest = all.skip_while(|page| !begin.is_empty() && id(page).to_string() != begin);
    let pages = rest.by_ref().take(limit).collect();
    let next = rest.next().map(|page| (format!("{prefix}continue"), place_in_category(&page)));
    Ok(Selection { pages, rest: next })
}

/// Kind, sort key and page id, as MediaWiki writes where to continue.
fn place_in_category(page: &Page<'_>) -> String {
    let kind = if matches!(page, Page::Category(..)) { "subcat" } else { "file" };
    format!("{kind}|{:08X}|{}", id(page), id(page))
}

fn id(page: &Page<'_>) -> usize {
    match page {
        Page::File(index, _) => FIRST_ID + index,
        Page::Category(index, _) => 90_000_000 + index,
        Page::Missing(_) => 0,
    }
}

/// Without `gsrnamespace` galleries are searched, and there are none.
fn search<'a>(world: &'a World, params: &Params) -> Result<Selection<'a>, Refusal> {
    let limit = limit(params, "gsr")?;
    let text = params.text("gsrsearch");
    if text.is_empty() {
        return Err(Refusal::new("missingparam", "The \"gsrsearch\" parameter must be set."));
    }
    let is_for_files = params.parts("gsrnamespace").contains(&"6");
    let begin = params.number("gsroffset", 0);
    let found = files(world).filter(|(_, picture)| is_for_files && is_found(world, picture, text));
    let mut rest = found.skip(begin);
    let pages = rest.by_ref().take(limit).map(|(index, picture)| Page::File(index, picture)).collect();
    let next = rest.next().map(|_| ("gsroffset".to_owned(), (begin + limit).to_string()));
    Ok(Selection { pages, rest: next })
}

/// Keywords of CirrusSearch (<https://www.mediawiki.org/wiki/Help:CirrusSearch>) and words, all of which must hold.
fn is_found(world: &World, picture: &Picture, text: &str) -> bool {
    let (keywords, words) = terms(text);
    let item = picture.sight.and_then(|index| world.sights.get(index));
    let holds = |(keyword, value): &(String, String)| match keyword.as_str() {
        "haswbstatement" => {
            let wanted = value.split('|').filter_map(|claim| claim.strip_prefix("P180="));
            item.is_some_and(|sight| wanted.into_iter().any(|id| id == sight.wikidata))
        }
        "incategory" => picture.categories.iter().any(|name| *name == value.replace('_', " ")),
        _ => true,
    };
    keywords.iter().all(holds) && has_words(world, picture, &folded(&words))
}

/// Whether each word stands in the page's title or categories, or is the city's name.
fn has_words(world: &World, picture: &Picture, words: &str) -> bool {
    if words.is_empty() {
        return true;
    }
    let page = folded(&format!("{} {} {}", picture.name, world.city.name, picture.categories.join(" ")));
    words.split(' ').all(|word| page.contains(word))
}

/// The `keyword:value` terms of a search, with or without quotes, and the other words.
fn terms(text: &str) -> (Vec<(String, String)>, String) {
    let mut keywords = Vec::new();
    let mut words = String::new();
    let mut is_quoted = false;
    let parts = text.split(|character: char| {
        is_quoted ^= character == '"';
        character == ' ' && !is_quoted
    });
    for part in parts {
        match part.split_once(':') {
            Some((keyword, value)) => keywords.push((keyword.to_owned(), value.replace('"', ""))),
            None => words.extend([part, " "]),
        }
    }
    (keywords, words)
}

/// Files around a point, the nearest first; there are no further pages of these.
fn geosearch<'a>(world: &'a World, params: &Params) -> Result<Selection<'a>, Refusal> {
    let limit = limit(params, "ggs")?;
    let radius = params.number("ggsradius", 500);
    if !(10..=10_000).contains(&radius) {
        return Err(Refusal::new(
            "badinteger",
            "The value for parameter \"ggsradius\" must be between 10 and 10,000.",
        ));
    }
    let Some(centre) = point(params.text("ggscoord")) else {
        return Err(Refusal::new("invalid-coord", "Invalid coordinate provided."));
    };
    let is_for_files = params.parts("ggsnamespace").contains(&"6");
    let near = |(index, picture): (usize, &'a Picture)| {
        let distance = metres(centre, picture.position?);
        (is_for_files && distance <= radius as f64).then_some((distance, index, picture))
    };
    let mut found: Vec<_> = files(world).filter_map(near).collect();
    found.sort_by(|one, other| one.0.total_cmp(&other.0));
    let pages = found.into_iter().take(limit).map(|(_, index, picture)| Page::File(index, picture));
    Ok(Selection { pages: pages.collect(), rest: None })
}

fn point(text: &str) -> Option<(f64, f64)> {
    let (latitude, longitude) = text.split_once('|')?;
    Some((latitude.parse().ok()?, longitude.parse().ok()?))
}

/// `list=categorymembers`: titles alone.
fn list(site: &Site, params: &Params) -> Outcome {
    let selection = members(&site.world, params, "cm")?;
    let member = |page: &Page<'_>| json!({"pageid": id(page), "ns": namespace(page), "title": title(page)});
    let members: Vec<Value> = selection.pages.iter().map(member).collect();
    let mut answer = json!({"batchcomplete": complete(params), "query": {"categorymembers": members}});
    add_rest(&mut answer, selection.rest);
    Ok(answer)
}

fn namespace(page: &Page<'_>) -> u32 {
    if matches!(page, Page::Category(..)) { CATEGORIES } else { FILES }
}

fn title(page: &Page<'_>) -> String {
    match page {
        Page::File(_, picture) => format!("File:{}", picture.name),
        Page::Category(_, name) => format!("Category:{name}"),
        Page::Missing(title) => title.clone(),
    }
}

fn described(site: &Site, page: &Page<'_>, index: usize, params: &Params) -> Value {
    let mut told = json!({"ns": namespace(page), "title": title(page)});
    if matches!(page, Page::Missing(_)) {
        told["missing"] = complete(params);
        return told;
    }
    told["pageid"] = json!(id(page));
    if matches!(params.text("generator"), "search" | "geosearch") {
        told["index"] = json!(index + 1);
    }
    if let Page::File(number, picture) = page
        && params.parts("prop").contains(&"imageinfo")
    {
        told["imagerepository"] = json!("local");
        told["imageinfo"] = json!([image_info(site, *number, picture, params)]);
    }
    told
}

/// What `iiprop` asks for.
fn image_info(site: &Site, number: usize, picture: &Picture, params: &Params) -> Value {
    let wanted = params.parts("iiprop");
    let mut info = Map::new();
    for property in wanted {
        match property {
            "url" => info.extend(addresses(site, number, picture, params.number("iiurlwidth", 0))),
            "size" => info.extend(size(picture)),
            "mime" => drop(info.insert("mime".to_owned(), json!(media_type(picture)))),
            "sha1" => drop(info.insert("sha1".to_owned(), json!(fingerprint(picture)))),
            "user" => drop(info.insert("user".to_owned(), json!(picture.author))),
            "timestamp" => drop(info.insert("timestamp".to_owned(), json!("2021-06-01T12:00:00Z"))),
            "extmetadata" => drop(info.insert("extmetadata".to_owned(), filtered(metadata(picture), params))),
            _ => {}
        }
    }
    Value::Object(info)
}

fn addresses(site: &Site, number: usize, picture: &Picture, width: usize) -> Map<String, Value> {
    let original = original_url(site, picture);
    let name = encoded(&file_name(&picture.name));
    let mut told = Map::new();
    told.insert(
        "descriptionurl".to_owned(),
        json!(format!("https://commons.wikimedia.org/wiki/File:{name}")),
    );
    let short = format!("https://commons.wikimedia.org/w/index.php?curid={}", FIRST_ID + number);
    told.insert("descriptionshorturl".to_owned(), json!(short));
    let width = u32::try_from(width).unwrap_or(u32::MAX);
    if width > 0 {
        // Nothing is ever enlarged: the original stands in for a larger thumbnail.
        let is_smaller = width < picture.width;
        let shown = if is_smaller { width } else { picture.width };
        let url = if is_smaller { thumbnail_url(site, picture, width) } else { original.clone() };
        told.insert("thumburl".to_owned(), json!(url));
        told.insert("thumbwidth".to_owned(), json!(shown));
        let height = u64::from(picture.height) * u64::from(shown) / u64::from(picture.width);
        told.insert("thumbheight".to_owned(), json!(height));
    }
    told.insert("url".to_owned(), json!(original));
    told
}

fn size(picture: &Picture) -> [(String, Value); 3] {
    [
        ("size".to_owned(), json!(picture.bytes.len())),
        ("width".to_owned(), json!(picture.width)),
        ("height".to_owned(), json!(picture.height)),
    ]
}

/// Stands in for the SHA-1 of the file: as long, and the same only for the same bytes.
fn fingerprint(picture: &Picture) -> String {
    let part = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        (seed, &picture.bytes[..]).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    };
    let mut digits = (0..3).map(part).collect::<String>();
    digits.truncate(40);
    digits
}

/// The fields that `iiextmetadatafilter` names; all where it is missing.
fn filtered(mut metadata: Value, params: &Params) -> Value {
    let wanted = params.parts("iiextmetadatafilter");
    if let Some(fields) = metadata.as_object_mut().filter(|_| !wanted.is_empty()) {
        fields.retain(|name, _| wanted.contains(&name.as_str()));
    }
    metadata
}

/// Shaped after <https://commons.wikimedia.org/wiki/Commons:Machine-readable_data>: all values are texts, the author's
/// is HTML.
fn metadata(picture: &Picture) -> Value {
    let field = |value: &str| json!({"value": value, "source": "commons-desc-page"});
    let name = escaped(&picture.author);
    let page = encoded(&picture.author);
    let artist =
        format!("<a href=\"//commons.wikimedia.org/wiki/User:{page}\" title=\"User:{name}\">{name}</a>");
    let mut told = json!({
        "ObjectName": field(picture.name.rsplit_once('.').map_or(&picture.name, |(stem, _)| stem)),
        "Artist": field(&artist),
        "Credit": field("<span class=\"int-own-work\" lang=\"en\">Own work</span>"),
        "LicenseShortName": field(&picture.licence.short_name()),
        "UsageTerms": field(&picture.licence.short_name()),
        "Copyrighted": field(if picture.licence.code == "pdm" { "False" } else { "True" }),
        "Restrictions": field(""),
    });
    // Works in the public domain have a template instead of a licence, and no address.
    if let Some(url) = picture.licence.url().filter(|_| picture.licence.code != "pdm") {
        told["LicenseUrl"] = field(url.trim_end_matches('/'));
    }
    told
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::super::super::visitor::get;
    use super::super::super::world::samples::world;
    use super::super::Wikimedia;
    use super::*;

    const INFO: &str = "&prop=imageinfo&iiprop=url%7Csize%7Cmime%7Csha1%7Cuser%7Cextmetadata";

    async fn ask(wikimedia: &Wikimedia, query: &str) -> Value {
        get(&wikimedia.upstream, &format!("/w/api.php?action=query&format=json&{query}")).await.json()
    }

    fn titles_of(answer: &Value) -> Vec<String> {
        let pages = answer["query"]["pages"].as_array().cloned().unwrap_or_default();
        pages.iter().map(|page| page["title"].as_str().unwrap().to_owned()).collect()
    }

    #[tokio::test]
    async fn a_category_is_read_page_by_page() {
        let wikimedia = Wikimedia::start(world()).await;
        let query =
            "formatversion=2&generator=categorymembers&gcmtitle=Category:Tower&gcmtype=file&gcmlimit=2";
        let first = ask(&wikimedia, query).await;
        assert_eq!(titles_of(&first), ["File:Tower 1.jpg", "File:Tower 2.jpg"]);
        assert_eq!(first["continue"]["continue"], "gcmcontinue||");
        let place = encoded(first["continue"]["gcmcontinue"].as_str().unwrap());
        let last = ask(&wikimedia, &format!("{query}&gcmcontinue={place}")).await;
        assert_eq!(titles_of(&last), ["File:Tower 3.jpg"]);
        assert!(last.get("continue").is_none());
    }

    #[tokio::test]
    async fn subcategories_are_listed() {
        let mut world = world();
        world.subcategories.push(("Tower".to_owned(), "Tower at night".to_owned()));
        let wikimedia = Wikimedia::start(world).await;
        let listed = ask(&wikimedia, "list=categorymembers&cmtitle=Category:Tower&cmtype=subcat").await;
        let members = &listed["query"]["categorymembers"];
        assert_eq!(members[0]["title"], "Category:Tower at night");
        assert_eq!((members.as_array().unwrap().len(), &members[0]["ns"]), (1, &json!(14)));
    }

    #[tokio::test]
    async fn a_file_tells_author_licence_and_addresses() {
        let wikimedia = Wikimedia::start(world()).await;
        let told = ask(&wikimedia, &format!("titles=File:Tower_2.jpg&iiurlwidth=500{INFO}")).await;
        let info = &told["query"]["pages"]["1001"]["imageinfo"][0];
        assert_eq!((&info["width"], &info["mime"]), (&json!(600), &json!("image/png")));
        assert_eq!((&info["thumbwidth"], &info["thumbheight"]), (&json!(500), &json!(375)));
        assert!(info["thumburl"].as_str().unwrap().ends_with("/500px-Tower_2.jpg"));
        let artist = info["extmetadata"]["Artist"]["value"].as_str().unwrap();
        assert!(artist.ends_with(">Müller &amp; Söhne</a>"), "{artist}");
        assert_eq!(info["extmetadata"]["LicenseShortName"]["value"], "CC BY 2.0");
        assert_eq!(info["extmetadata"]["LicenseUrl"]["value"], "https://creativecommons.org/licenses/by/2.0");
        let only = format!("titles=File:Tower_2.jpg{INFO}&iiextmetadatafilter=Artist");
        let fields = &ask(&wikimedia, &only).await["query"]["pages"]["1001"]["imageinfo"][0]["extmetadata"];
        assert_eq!(fields.as_object().unwrap().keys().collect::<Vec<_>>(), ["Artist"]);
        for address in ["url", "thumburl"] {
            let reply = get(&wikimedia.upstream, info[address].as_str().unwrap()).await;
            assert_eq!(reply.body, wikimedia.world().pictures[1].bytes);
        }
    }

    #[tokio::test]
    async fn what_is_larger_than_the_original_is_the_original() {
        let wikimedia = Wikimedia::start(world()).await;
        let told = ask(&wikimedia, &format!("titles=File:Tower_2.jpg&iiurlwidth=1280{INFO}")).await;
        let info = &told["query"]["pages"]["1001"]["imageinfo"][0];
        assert_eq!((&info["thumburl"], &info["thumbwidth"]), (&info["url"], &json!(600)));
    }

    #[tokio::test]
    async fn searches_know_depicted_items_categories_and_words() {
        let wikimedia = Wikimedia::start(world()).await;
        let searches = [
            ("haswbstatement:P180=Q900001", 2),
            ("filetype:bitmap%20haswbstatement:P180=Q243", 3),
            ("incategory:%22Bridge%22", 2),
            ("paris%20tower", 3),
            ("rome", 0),
        ];
        for (text, found) in searches {
            let query = format!("formatversion=2&generator=search&gsrsearch={text}");
            assert_eq!(titles_of(&ask(&wikimedia, &query).await).len(), 0, "{text} in galleries");
            let answer = ask(&wikimedia, &format!("{query}&gsrnamespace=6")).await;
            assert_eq!(titles_of(&answer).len(), found, "{text}");
        }
    }

    #[tokio::test]
    async fn a_search_is_read_page_by_page() {
        let wikimedia = Wikimedia::start(world()).await;
        let query = "formatversion=2&generator=search&gsrsearch=tower&gsrnamespace=6&gsrlimit=2";
        let first = ask(&wikimedia, query).await;
        assert_eq!(first["continue"]["gsroffset"], "2");
        let last = ask(&wikimedia, &format!("{query}&gsroffset=2")).await;
        assert_eq!(titles_of(&last), ["File:Tower 3.jpg"]);
        assert!(last.get("continue").is_none());
    }

    #[tokio::test]
    async fn the_nearest_files_come_first() {
        let wikimedia = Wikimedia::start(world()).await;
        let query = "formatversion=2&generator=geosearch&ggscoord=48.86%7C2.2945&ggsnamespace=6&ggsradius=";
        let near = ask(&wikimedia, &format!("{query}100")).await;
        assert_eq!(titles_of(&near), ["File:Bridge 4.jpg", "File:Bridge 5.jpg"]);
        let wide = ask(&wikimedia, &format!("{query}1000")).await;
        assert_eq!((titles_of(&wide).len(), titles_of(&wide)[0].as_str()), (5, "File:Bridge 4.jpg"));
        let far = ask(&wikimedia, &format!("{query}10001")).await;
        assert_eq!(far["error"]["code"], "badinteger");
    }

    #[tokio::test]
    async fn limits_are_kept() {
        let wikimedia = Wikimedia::start(world()).await;
        let query = "generator=categorymembers&gcmtitle=Category:Tower&gcmlimit=51";
        assert!(ask(&wikimedia, query).await.get("error").is_none());
        let refused = ask(&wikimedia, &format!("{query}{INFO}")).await;
        assert_eq!(refused["error"]["code"], "badinteger");
        let titles: Vec<String> = (0..51).map(|number| format!("File:{number}.jpg")).collect();
        let refused = ask(&wikimedia, &format!("titles={}", titles.join("%7C"))).await;
        assert_eq!(refused["error"]["code"], "toomanyvalues");
        let missing = ask(&wikimedia, "titles=File:None.jpg").await;
        assert_eq!(missing["query"]["pages"]["-1"]["missing"], "");
    }
}
