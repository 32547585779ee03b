/** Words of the server in the language of the app; those of a newer server are shown as they are. */
import { texts } from "../language";

export function stateName(state: string | null): string {
  return named(texts.value.control.cities.states, state);
}

export function stageName(stage: string | null): string {
  return named(texts.value.control.cities.stages, stage);
}

export function modelState(state: string): string {
  return named(texts.value.control.models.states, state);
}

export function modelAction(action: string): string {
  return named(texts.value.control.models.actions, action);
}

export function queueName(queue: string): string {
  return named(texts.value.control.jobs.queues, queue);
}

export function doingName(doing: string): string {
  return named(texts.value.control.pools.doings, doing);
}

function named(words: Readonly<Record<string, string | undefined>>, word: string | null): string {
  return word === null ? "–" : (words[word] ?? word);
}
