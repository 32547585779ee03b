/** What engineers want to know: rates, times, and the log. */
import { asFile, entries, line } from "../log";
import { texts } from "../language";
import { milliseconds, number } from "../numbers";
import { save } from "../save";
import { rate, seen } from "./looking";

/** The newest lines; the file has all. */
const SHOWN = 200;

export function DebugPanel() {
  const { debug, detection } = texts.value;
  const last = seen.value;
  return (
    <section class="debug" aria-label={debug.toggle}>
      {rate.value !== null && <p>{detection.rate(number(rate.value, { minimumFractionDigits: 1, maximumFractionDigits: 1 }))}</p>}
      {last !== null && (
        <table>
          <caption>{debug.phases}</caption>
          <tbody>
            {Object.entries(last.phases).map(([phase, ms]) => (
              <tr key={phase}>
                <th scope="row">{debug.phaseNames[phase] ?? phase}</th>
                <td>{milliseconds(ms, 1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <h2>{debug.log}</h2>
      <pre class="log" tabIndex={0}>{entries.value.slice(-SHOWN).map(line).join("\n")}</pre>
      <button type="button" onClick={download}>{debug.download}</button>
    </section>
  );
}

function download(): void {
  const file = asFile();
  save(file, file.name);
}
