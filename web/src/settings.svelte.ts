/** What the visitor chose, kept in this browser. */

export type Theme = "system" | "light" | "dark";
export type Language = "en" | "es";
export type Clock = "local" | "utc";

interface Settings {
  theme: Theme;
  language: Language;
  clock: Clock;
  sound: boolean;
}

const KEY = "blocksmith-settings";

function wanted(): Language {
  const first = navigator.languages.find((tag) => /^(en|es)\b/i.test(tag));
  return first?.toLowerCase().startsWith("es") ? "es" : "en";
}

function one<T extends string>(value: unknown, of: readonly T[], otherwise: T): T {
  return of.find((each) => each === value) ?? otherwise;
}

function kept(): Settings {
  let stored: Partial<Record<keyof Settings, unknown>> = {};
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    if (typeof value === "object" && value !== null) stored = value;
  } catch {
    // A browser may keep nothing, and another page of this origin may have written something else.
  }
  return {
    theme: one(stored.theme, ["system", "light", "dark"], "system"),
    language: one(stored.language, ["en", "es"], wanted()),
    clock: one(stored.clock, ["local", "utc"], "local"),
    sound: stored.sound === true,
  };
}

export const settings = $state<Settings>(kept());

/** Keeps what is chosen, and gives the document its theme and its language. */
export function keepSettings(): void {
  $effect(() => {
    const root = document.documentElement;
    if (settings.theme === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = settings.theme;
    root.lang = settings.language;
    try {
      localStorage.setItem(KEY, JSON.stringify(settings));
    } catch {
      // The choice holds until the page is closed.
    }
  });
}
