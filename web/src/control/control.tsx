/** The control room: what an operator uses. */
import { AdminGate } from "../admin-gate";
import { texts } from "../language";
import { href, route } from "../route";
import { Cities } from "./cities";
import { City } from "./city";
import { Experiments } from "./experiments";
import { Jobs } from "./jobs";
import { Pools } from "./pools";

export function Control() {
  const { control } = texts.value;
  return (
    <AdminGate probe="/v1/jobs?limit=1">
      <main class="control">
        <h1>{control.title}</h1>
        <Tabs />
        <Page />
      </main>
    </AdminGate>
  );
}

function Tabs() {
  const { control } = texts.value;
  const [, page, slug] = route.value;
  // The page of a city is reached from the cities, and belongs to them.
  const here = page === "city" && slug !== undefined ? "" : (page ?? "");
  const isHere = (name: string) => (here === name ? { "aria-current": "page" as const } : {});
  const tab = (name: string, label: string) => (
    <a href={href("control", ...(name === "" ? [] : [name]))} {...isHere(name)}>{label}</a>
  );
  return (
    <nav class="tabs" aria-label={control.tabs.label}>
      {tab("", control.tabs.cities)}
      {tab("jobs", control.tabs.jobs)}
      {tab("pools", control.tabs.pools)}
      {tab("experiments", control.tabs.experiments)}
    </nav>
  );
}

function Page() {
  const [, page, slug] = route.value;
  if (page === "city" && slug !== undefined) return <City slug={slug} key={slug} />;
  if (page === "jobs") return <Jobs />;
  if (page === "pools") return <Pools />;
  if (page === "experiments") return <Experiments />;
  return <Cities />;
}
