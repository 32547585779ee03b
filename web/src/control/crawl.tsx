/** How the crawl of a city went. */
import { askAdminJson } from "../admin";
import { texts } from "../language";
import { spoken } from "../names";
import { number } from "../numbers";
import { useAsked } from "../asked";
import { pathOf } from "./life";
import { Moment } from "./parts";
import { Pictures, type Review } from "./pictures";
import { Table } from "../table";
import { Trouble } from "../trouble";
import { ago } from "../words";

const EVERY_MS = 10_000;

interface Report {
  sights: { name: string; crawled_at: number | null; kept: number; set_aside: number }[];
  /** Without a reason they were kept. */
  fates: { found_by: string; reason: string | null; pictures: number }[];
  licences: { licence: string | null; review: Review; images: number }[];
}

export function Crawl({ slug }: { slug: string }) {
  const { crawl: words } = texts.value.control;
  const asked = useAsked(() => askAdminJson<Report>(pathOf(slug, "crawl")), EVERY_MS, slug);
  return (
    <section>
      <h3>{words.title}</h3>
      <Trouble asked={asked} />
      {asked.value !== null && <Tables report={asked.value} />}
      <Pictures slug={slug} changed={asked.again} />
    </section>
  );
}

function Tables({ report: { sights, fates, licences } }: { report: Report }) {
  const { crawl: words, pictures } = texts.value.control;
  return (
    <>
      <Table caption={words.sights} head={words.ofSight}>
        {sights.map(({ name, kept, set_aside, crawled_at }) => (
          <tr key={name}>
            <th scope="row">{spoken(name)}</th>
            <td>{number(kept)}</td>
            <td>{number(set_aside)}</td>
            <td>{crawled_at === null ? words.never : <Moment at={crawled_at}>{ago(crawled_at)}</Moment>}</td>
          </tr>
        ))}
      </Table>
      <Table caption={words.fates} head={words.ofFate}>
        {fates.map(({ found_by, reason, pictures: count }) => (
          <tr key={`${found_by}\n${reason}`}>
            <th scope="row">{found_by}</th>
            <td>{reason ?? words.kept}</td>
            <td>{number(count)}</td>
          </tr>
        ))}
      </Table>
      <Table caption={words.licences} head={words.ofLicence}>
        {licences.map(({ licence, review, images }) => (
          <tr key={`${licence}\n${review}`}>
            <th scope="row">{licence ?? pictures.unlicensed}</th>
            <td>{pictures.reviews[review]}</td>
            <td>{number(images)}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}
