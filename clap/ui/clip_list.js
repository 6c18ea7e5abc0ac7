// The behaviour of ClipList. Gradio gives `element`, `props` and `watch`. Text only ever enters the page as textContent:
// a caption or a query is never read as HTML or as a template.
const root = element.querySelector(".clips");
const SVG = "http://www.w3.org/2000/svg";
const HIGHEST_PEAK = 35; // a base-36 digit

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// One audio element for the whole page, so that starting one clip stops another, in whichever list it stands.
function makePlayer() {
  const audio = new Audio();
  audio.preload = "none";
  const player = { audio, card: null };
  player.mark = (playing) => {
    if (!player.card) return;
    player.card.classList.toggle("is-playing", playing);
    player.card.querySelector(".clip-play").setAttribute("aria-pressed", String(playing));
  };
  player.paint = () => {
    if (!player.card) return;
    const length = audio.duration || Number(player.card.dataset.duration);
    player.card.style.setProperty("--played", `${(100 * audio.currentTime) / length}%`);
    player.card.querySelector(".clip-seek").value = audio.currentTime;
    player.say(`${clock(audio.currentTime)} / ${clock(length)}`);
  };
  player.say = (text) => {
    player.card.querySelector(".clip-time").textContent = text;
    player.card.querySelector(".clip-seek").setAttribute("aria-valuetext", text);
  };
  player.stop = () => {
    audio.pause();
    player.mark(false);
  };
  player.toggle = (card) => {
    if (player.card === card && !audio.paused) return player.stop();
    if (player.card !== card) {
      player.stop();
      player.card = card;
      audio.src = card.dataset.url;
      audio.currentTime = Number(card.querySelector(".clip-seek").value);
    }
    player.mark(true);
    audio.play().catch(() => player.mark(false));
  };
  audio.addEventListener("timeupdate", player.paint);
  audio.addEventListener("ended", () => player.mark(false));
  audio.addEventListener("error", () => {
    player.mark(false);
    if (player.card) player.say("cannot be played");
  });
  return player;
}

const player = (window.clipPlayer ??= makePlayer());

function waveform(peaks, className) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("viewBox", `0 0 ${3 * peaks.length} 32`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const bars = [...peaks].map((digit, i) => {
    const height = Math.max(1.5, (30 * parseInt(digit, 36)) / HIGHEST_PEAK);
    return `M${3 * i + 1.5} ${16 - height / 2}v${height}`;
  });
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", bars.join(""));
  svg.append(path);
  return svg;
}

function captionOf(hit) {
  const caption = make("p", "clip-caption", hit.caption);
  caption.lang = hit.lang;
  return caption;
}

function scoreOf(hit) {
  const score = make("span", "clip-score", hit.score.toFixed(3));
  score.title = "cosine similarity";
  return score;
}

function seekBar(hit, name) {
  const wave = make("div", "clip-wave");
  const seek = make("input", "clip-seek");
  Object.assign(seek, { type: "range", min: 0, max: hit.duration, step: 0.1, value: 0 });
  seek.setAttribute("aria-label", `Position in ${name}`);
  seek.setAttribute("aria-valuetext", `0:00 / ${clock(hit.duration)}`);
  wave.append(waveform(hit.peaks, "clip-back"), waveform(hit.peaks, "clip-front"), seek);
  return wave;
}

function clipCard(hit) {
  const name = `${hit.rank}: ${hit.caption}`;
  const card = make("li", "clip");
  Object.assign(card.dataset, { id: hit.id, duration: hit.duration, url: new URL(hit.url, document.baseURI).href });
  const play = make("button", "clip-play");
  play.type = "button";
  play.setAttribute("aria-pressed", "false");
  play.setAttribute("aria-label", `Play ${name}`);
  const body = make("div", "clip-body");
  body.append(captionOf(hit), seekBar(hit, name));
  const facts = make("div", "clip-facts");
  facts.append(scoreOf(hit), make("span", "clip-time", clock(hit.duration)));
  card.append(make("span", "clip-rank", hit.rank), play, body, facts);
  return card;
}

function captionCard(hit) {
  const card = make("li", "caption");
  card.append(make("span", "clip-rank", hit.rank), captionOf(hit), scoreOf(hit));
  return card;
}

function listOf(title, hits, card) {
  const list = make("ol", "clip-list");
  list.setAttribute("aria-label", title);
  list.append(...hits.map(card));
  return list;
}

// On a phone a list starts short, so that the other checkpoint's answers are near; see clip_list.css.
function moreButton(list) {
  const more = make("button", "clip-more", `Show all ${list.children.length}`);
  more.type = "button";
  more.addEventListener("click", () => {
    list.classList.add("is-whole");
    more.remove();
    list.querySelector(".clip:nth-child(6) .clip-play").focus();
  });
  return list.children.length > 5 ? [more] : [];
}

function clipsOf(title, clips) {
  const list = listOf(title, clips, clipCard);
  return [list, ...moreButton(list)];
}

function parts({ clips = [], captions = [], note = "Results appear here." }) {
  if (!clips.length) return [make("p", "clip-none", note)];
  if (!captions.length) return clipsOf("Clips", clips);
  const [first, second] = ["Captions that fit the sound", "Clips that sound alike"];
  return [
    make("h3", "clip-heading", first),
    listOf(first, captions, captionCard),
    make("h3", "clip-heading", second),
    ...clipsOf(second, clips),
  ];
}

function render() {
  if (player.card && root.contains(player.card)) {
    player.stop();
    player.card = null;
  }
  root.replaceChildren(...parts(props.value || {}));
}

root.addEventListener("click", (event) => {
  const button = event.target.closest(".clip-play");
  if (button) player.toggle(button.closest(".clip"));
});

root.addEventListener("input", (event) => {
  const card = event.target.closest(".clip");
  const at = Number(event.target.value);
  if (player.card === card) player.audio.currentTime = at;
  card.style.setProperty("--played", `${(100 * at) / Number(card.dataset.duration)}%`);
  event.target.setAttribute("aria-valuetext", `${clock(at)} / ${clock(Number(card.dataset.duration))}`);
});

// Arrows, j and k walk between the play buttons; Home and End jump to the first and the last.
root.addEventListener("keydown", (event) => {
  if (!event.target.classList.contains("clip-play")) return;
  const buttons = [...root.querySelectorAll(".clip-play")];
  const at = buttons.indexOf(event.target);
  const to = { ArrowDown: at + 1, j: at + 1, ArrowUp: at - 1, k: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  buttons[Math.min(Math.max(to, 0), buttons.length - 1)].focus();
});

watch("value", render);
render();
