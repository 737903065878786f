// Runs an explorer on a page of its own, where there is no notebook and no kernel: in the HTML
// export of a notebook, inside a frame. Python puts this text behind an explorer's module and puts
// the state, as JSON, into the page.

/** What an explorer asks of a widget's model, without a widget: get, set, on, off, save_changes. */
function createModel(state) {
  const listeners = new Map();
  return {
    get: (name) => state[name],
    set(name, value) {
      state[name] = value;
      for (const listener of [...(listeners.get(`change:${name}`) ?? [])]) listener();
    },
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener]);
    },
    off(event, listener) {
      listeners.set(
        event,
        (listeners.get(event) ?? []).filter((one) => one !== listener),
      );
    },
    save_changes() {},
  };
}

/** The document around the frame, or null on a page of its own and where it may not be read. */
function surroundings() {
  try {
    return window.frameElement ? window.parent.document : null;
  } catch {
    return null;
  }
}

/** Follow the theme of the page around the frame; on its own, what the reader's system prefers. */
function followTheme(outside) {
  const light = outside
    ? outside.body.dataset.jpThemeLight !== "false"
    : !window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.body.dataset.jpThemeLight = String(light);
  document.documentElement.style.colorScheme = light ? "light" : "dark";
  if (!outside) return;
  const theme = window.parent.getComputedStyle(outside.body);
  for (const name of [
    "--jp-layout-color0",
    "--jp-content-font-color1",
    "--jp-content-font-color2",
    "--jp-ui-font-family",
    "--jp-code-font-family",
  ]) {
    const value = theme.getPropertyValue(name);
    if (value) document.documentElement.style.setProperty(name, value);
  }
}

const page = surroundings();
followTheme(page);
render({
  model: createModel(JSON.parse(document.getElementById("cx-state").textContent)),
  el: document.getElementById("cx-explorer"),
});
if (page) {
  // As tall as what it shows, so that there is no scroll bar inside the page's own.
  new ResizeObserver(() => {
    window.frameElement.style.height = `${document.documentElement.offsetHeight}px`;
  }).observe(document.documentElement);
}
