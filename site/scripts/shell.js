// The frame of the page, before anything is painted and long before Python is there: which view,
// which theme, which language. A classic script that blocks the parser on purpose, so that the
// first paint is already the right one and nothing moves later. Python takes up what it keeps in
// `globalThis.backburnerShell` (backburner.app.shell).

{
  const root = document.documentElement;
  const { views, languages } = document.currentScript.dataset;
  const VIEWS = views.split(" ");
  const LANGUAGES = languages.split(" ");
  const SOURCE = LANGUAGES[0];
  const PATIENCE_MS = 3000;
  const asked = new URLSearchParams(location.search);
  const folder = location.pathname.slice(0, location.pathname.lastIndexOf("/") + 1);
  const catalogues = new URL("../locale/", document.currentScript.src);

  /** What the visitor has chosen; a storage that is denied or holds nonsense counts as empty. */
  function readPreferences() {
    try {
      return JSON.parse(localStorage.getItem(`backburner:${folder}:preferences`)) ?? {};
    } catch {
      return {};
    }
  }

  function languageOf(preferences) {
    const wanted = [asked.get("lang"), preferences.language, ...navigator.languages];
    const known = wanted.map((each) => String(each).split("-")[0].toLowerCase());
    return known.find((each) => LANGUAGES.includes(each)) ?? SOURCE;
  }

  function applyLooks({ theme, motion }) {
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
    else delete root.dataset.theme;
    if (asked.get("motion") === "off" || motion === "reduced") root.dataset.motion = "off";
    else delete root.dataset.motion;
  }

  // --- texts ---

  const spoken = { language: SOURCE, entries: null };

  async function fetchCatalogue(language) {
    const reply = await fetch(new URL(`${language}.json`, catalogues));
    if (!reply.ok) throw new Error(`the texts (${language}) answered with status ${reply.status}`);
    return reply.json();
  }

  /** Puts the texts of the catalogue where the templates say: `data-t`, `data-t-aria-label`, … */
  function putTexts(entries) {
    for (const element of document.querySelectorAll("[data-t]")) {
      element.textContent = entries[element.dataset.t] ?? element.textContent;
    }
    for (const name of ["aria-label", "content", "placeholder", "title"]) {
      for (const element of document.querySelectorAll(`[data-t-${name}]`)) {
        const text = entries[element.getAttribute(`data-t-${name}`)];
        if (text !== undefined) element.setAttribute(name, text);
      }
    }
  }

  /** Goes over to a language: what was rendered changes at once, the rest is up to Python. */
  async function speak(language) {
    const entries = await fetchCatalogue(language);
    await parsed;
    if (language !== SOURCE || spoken.language !== language) putTexts(entries);
    Object.assign(spoken, { language, entries });
    root.lang = language;
    nameView();
    return spoken;
  }

  // --- views ---

  /** The view that the address names, or null. Mirrors backburner.core.routes. */
  function viewOf(fragment) {
    if (["", "#", "#/"].includes(fragment)) return VIEWS[0];
    return VIEWS.find((view) => fragment === `#/${view}`) ?? null;
  }

  const linkOf = (view) => document.querySelector(`.nav a[href="#/${view}"]`);

  /** The title of the document, and the link that says where one is. */
  function nameView() {
    const view = root.dataset.view;
    document.title = view === VIEWS[0] ? "Backburner" : `${linkOf(view).textContent} – Backburner`;
    for (const link of document.querySelectorAll(".nav a")) {
      if (link.hash === `#/${view}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  }

  /** Shows what the address names; an address that is no view leads to the front door. */
  function showView() {
    const view = viewOf(location.hash);
    if (view === null) history.replaceState(null, "", `#/${VIEWS[0]}`);
    root.dataset.view = view ?? VIEWS[0];
    root.toggleAttribute("data-lost", view === null);
  }

  function onAddress() {
    showView();
    nameView();
    scrollTo(0, 0);
    document.getElementById(`${root.dataset.view}-title`).focus({ preventScroll: true });
  }

  // --- the start ---

  const parsed = new Promise((resolve) => {
    document.addEventListener("readystatechange", resolve, { once: true });
  });

  showView();
  addEventListener("hashchange", onAddress);
  // Without a worker there is a notice (base.css): said from the beginning, it moves nothing later.
  if (asked.get("worker") === "off") root.dataset.mode = "main-thread";
  const preferences = readPreferences();
  applyLooks(preferences);
  root.lang = languageOf(preferences);

  parsed.then(() => {
    nameView();
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById(`${root.dataset.view}-title`).focus();
    });
  });

  // A page in another language is painted once it is in that language, or when waiting for it
  // would be worse than reading English for a moment.
  root.toggleAttribute("data-speechless", root.lang !== SOURCE);
  const heard = () => root.removeAttribute("data-speechless");
  setTimeout(heard, PATIENCE_MS);
  const texts = speak(root.lang)
    .catch((fault) => {
      if (root.lang === SOURCE) throw fault;
      root.lang = SOURCE;
      return speak(SOURCE);
    })
    .finally(heard);
  texts.catch(() => {}); // whoever waits for it hears of it

  globalThis.backburnerShell = {
    /** Settles when `spoken` is filled: `{ language, entries }`. Python is started after it. */
    texts,
    spoken,
    debug: asked.get("debug") === "1" || preferences.debug === true,
    /** Carries out changed preferences at once; gives what is spoken from now on. */
    async apply(changed) {
      applyLooks(changed);
      const language = languageOf(changed);
      return language === spoken.language ? spoken : speak(language);
    },
  };
}
