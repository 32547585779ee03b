/** The language of the app: the one that was chosen, else the browser's. */
import { computed, signal } from "@preact/signals";
import { de } from "./texts/de";
import { en, type Texts } from "./texts/en";

export const languages = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof languages;

const all: Record<Language, Texts> = { en, de };
const KEY = "language";

function first(): Language {
  const wished = [localStorage.getItem(KEY), ...navigator.languages].map((tag) => tag?.slice(0, 2));
  return wished.find((tag): tag is Language => tag !== undefined && tag in languages) ?? "en";
}

export const language = signal<Language>(first());
export const texts = computed(() => all[language.value]);

export function speak(wished: Language): void {
  localStorage.setItem(KEY, wished);
  language.value = wished;
  document.documentElement.lang = wished;
}

document.documentElement.lang = language.value;
