"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 48;
  const SVG = "http://www.w3.org/2000/svg";
  const select = document.getElementById("label");
  const list = document.getElementById("examples");
  const section = list && list.closest("section");
  const where = document.getElementById("where");
  const buttons = { back: document.getElementById("back"), next: document.getElementById("next") };
  let page = 0;

  // Every text of an example goes through textContent: none is markup.
  function make(name, text, className) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function wave(bars) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 " + bars.length * 2 + " 40");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", "waveform");
    bars.forEach(function (bar, at) {
      const rect = document.createElementNS(SVG, "rect");
      const high = Math.max(1, (bar * 40) / 100);
      rect.setAttribute("class", "a");
      rect.setAttribute("x", String(at * 2));
      rect.setAttribute("y", String(20 - high / 2));
      rect.setAttribute("width", "1.4");
      rect.setAttribute("height", String(high));
      svg.appendChild(rect);
    });
    return svg;
  }

  function card(index) {
    const it = data.samples[index];
    const box = make("li");
    if (it.i) {
      const picture = make("img");
      picture.alt = "";
      picture.src = "data:image/jpeg;base64," + it.i;
      box.appendChild(picture);
    }
    if (it.b) box.appendChild(wave(it.b));
    if (it.s) {
      const sound = make("audio");
      sound.controls = true;
      sound.preload = "none";
      sound.src = "data:" + it.m + ";base64," + it.s;
      box.appendChild(sound);
    }
    if (it.n) box.appendChild(make("div", it.n, "soft"));
    if (it.t) box.appendChild(make("pre", it.t));
    box.appendChild(make("span", it.p, "path"));
    box.appendChild(make("span", it.l.join(", "), "soft"));
    if (it.f) box.appendChild(make("div", it.f, "bad"));
    return box;
  }

  function show() {
    const group = data.groups[Number(select.value)];
    const pages = Math.max(1, Math.ceil(group.rows.length / PAGE));
    page = Math.min(Math.max(page, 0), pages - 1);
    list.replaceChildren.apply(list, group.rows.slice(page * PAGE, (page + 1) * PAGE).map(card));
    where.textContent =
      "page " + (page + 1) + " of " + pages + "; " + group.rows.length + " of " + group.count.toLocaleString("en") + " examples are here";
    buttons.back.disabled = page === 0;
    buttons.next.disabled = page === pages - 1;
  }

  function turn(by) {
    page += by;
    const focused = document.activeElement;
    show();
    // A button that is disabled takes no more keys.
    if (focused && focused.disabled) section.focus({ preventScroll: true });
  }

  // On paper nothing can be opened: all is open while the page is printed, then as it was.
  const closed = [];
  window.addEventListener("beforeprint", function () {
    document.querySelectorAll("details:not([open])").forEach(function (each) {
      each.open = true;
      closed.push(each);
    });
  });
  window.addEventListener("afterprint", function () {
    closed.splice(0).forEach(function (each) { each.open = false; });
  });

  const failing = document.getElementById("failing");
  if (failing) failing.replaceChildren.apply(failing, data.failing.map(card));
  if (!select || !data.groups.length) return;
  data.groups.forEach(function (group, at) {
    const option = make("option", group.label + " (" + group.count.toLocaleString("en") + ")");
    option.value = String(at);
    select.appendChild(option);
  });
  select.addEventListener("change", function () {
    page = 0;
    show();
  });
  buttons.back.addEventListener("click", function () { turn(-1); });
  buttons.next.addEventListener("click", function () { turn(1); });
  // Only in the gallery, and not in a control of its own: elsewhere the arrows scroll a wide table.
  const OWN = "pre, input, select, textarea, audio";
  section.addEventListener("keydown", function (event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (event.target.closest(OWN)) return;
    if (event.key === "ArrowLeft") turn(-1);
    if (event.key === "ArrowRight") turn(1);
  });
  show();
})();
