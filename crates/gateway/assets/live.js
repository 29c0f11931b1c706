// Keeps the page of live values fresh: takes changed cards as the gateway sends them, and counts ages on.
const live = document.getElementById("live");

function put(card) {
  const old = document.getElementById(card.id);
  const template = document.createElement("template");
  template.innerHTML = card.html;
  const fresh = template.content.firstElementChild;
  if (!fresh) return;
  if (!old) {
    live.append(fresh);
    return;
  }
  // What somebody has opened stays open, and where they are they stay.
  for (const open of old.querySelectorAll("details[open]")) {
    const again = fresh.querySelector("#" + CSS.escape(open.id));
    if (again) again.open = true;
  }
  const path = [];
  for (let at = document.activeElement; at && at !== old && old.contains(at); at = at.parentElement) {
    path.unshift([...at.parentElement.children].indexOf(at));
  }
  const scrolled = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
  old.replaceWith(fresh);
  [...fresh.querySelectorAll(".scroll")].forEach((box, index) => {
    if (scrolled[index]) [box.scrollLeft, box.scrollTop] = scrolled[index];
  });
  let focus = path.length > 0 ? fresh : null;
  for (const index of path) focus = focus && focus.children[index];
  if (focus) focus.focus({ preventScroll: true });
  note(fresh);
}

// When each age was told, on the clock of this page.
const told = new WeakMap();

function note(card) {
  for (const ago of card.querySelectorAll("[data-age]")) told.set(ago, performance.now() / 1000 - Number(ago.dataset.age));
}

function count() {
  for (const ago of live.querySelectorAll("[data-age]")) {
    if (!told.has(ago)) continue;
    const age = Math.max(0, Math.floor(performance.now() / 1000 - told.get(ago)));
    const [text, number] =
      age < 120 ? [live.dataset.agoS, age]
      : age < 7200 ? [live.dataset.agoMin, Math.floor(age / 60)]
      : [live.dataset.agoH, Math.floor(age / 3600)];
    const words = text.replace("{n}", number);
    if (ago.textContent !== words) ago.textContent = words;
    if (age > Number(ago.dataset.staleAfter)) ago.closest(".card").classList.add("stale");
  }
}

if (live) {
  note(live);
  setInterval(count, 1000);
  const lost = document.getElementById("lost");
  const events = new EventSource(live.dataset.events);
  events.addEventListener("meter", (event) => put(JSON.parse(event.data)));
  events.addEventListener("open", () => { lost.hidden = true; });
  // The browser connects again by itself.
  events.addEventListener("error", () => {
    lost.textContent = live.dataset.lost;
    lost.hidden = false;
  });
}
