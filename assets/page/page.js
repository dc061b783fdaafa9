(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const picture = { width: data.width, height: data.height };
  const get = (id) => document.getElementById(id);
  const stage = get("stage"), line = get("line"), handle = get("handle");
  const sides = ["a", "b"].map((name) => ({
    name: name, pane: get("pane-" + name), image: get("image-" + name), label: get("label-" + name),
  }));
  const state = { mode: "split", split: 0.5, held: false, shown: data.begin.slice(), view: null, fits: true, place: -1 };
  const ratio = () => window.devicePixelRatio || 1;

  function panes() {
    const width = stage.clientWidth, height = stage.clientHeight;
    return { width: state.mode === "side" ? width / 2 : width, height: height };
  }

  function draw() {
    const pane = panes();
    if (state.fits || !state.view) state.view = fitted(picture, pane, ratio());
    const view = state.view, corner = cornerOf(view, pane, ratio());
    const wide = stage.clientWidth, high = stage.clientHeight, at = Math.round(wide * state.split);
    const side = state.mode === "side";
    stage.classList.toggle("crisp", view.scale * ratio() >= 1);
    sides.forEach((each, index) => {
      const entry = data.pictures[state.held ? 0 : state.shown[index]];
      if (each.image.getAttribute("data-id") !== String(entry.id)) {
        each.image.src = entry.source;
        each.image.alt = entry.name + ": " + data.name;
        each.image.setAttribute("data-id", entry.id);
      }
      each.image.width = picture.width;
      each.image.height = picture.height;
      const offset = side && index ? wide / 2 : 0;
      each.image.style.transform = "translate(" + (corner.x + offset) + "px," + corner.y + "px) scale(" + view.scale + ")";
      const alone = state.mode === "left" ? 0 : state.mode === "right" ? 1 : -1;
      each.pane.hidden = alone >= 0 && alone !== index;
      const cut = side ? wide / 2 : at;
      const left = index && alone < 0 ? cut : 0, right = !index && alone < 0 ? wide - cut : 0;
      each.pane.style.clipPath = "inset(0 " + right + "px 0 " + left + "px)";
      each.label.hidden = each.pane.hidden || (state.held && index === 1);
      each.label.replaceChildren();
      const strong = document.createElement("b");
      strong.textContent = state.held ? entry.name : each.name.toUpperCase() + "  " + entry.name;
      each.label.append(strong, entry.line);
    });
    line.hidden = state.mode === "left" || state.mode === "right" || state.held;
    line.style.left = (side ? wide / 2 : at) + "px";
    handle.hidden = side;
    handle.setAttribute("aria-valuenow", Math.round(state.split * 100));
    handle.setAttribute("aria-valuetext", Math.round(state.split * 100) + "% " + data.pictures[state.shown[0]].name);
    handle.style.bottom = Math.min(18, high / 4) + "px";
    get("zoom").textContent = Math.round(view.scale * ratio() * 100) + "%";
    document.querySelectorAll("#modes button").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.mode === state.mode));
    });
    get("hold").setAttribute("aria-pressed", String(state.held));
    document.querySelectorAll("tr[data-id]").forEach((row) => {
      sides.forEach((each, index) => {
        const on = Number(row.dataset.id) === state.shown[index];
        row.classList.toggle("on-" + each.name, on);
        row.querySelector('input[name="' + each.name + '"]').checked = on;
      });
    });
    document.querySelectorAll("#places button").forEach((button, index) => {
      button.setAttribute("aria-pressed", String(index === state.place));
    });
  }

  function look(view) { state.view = view; state.fits = false; state.place = -1; draw(); }
  function setMode(mode) { state.mode = mode; draw(); }
  function setSplit(share) { state.split = Math.min(Math.max(share, 0), 1); draw(); }
  function hold(held) { if (held !== state.held) { state.held = held; draw(); } }
  function swap() { state.shown.reverse(); draw(); }
  function fit() { state.fits = true; state.place = -1; draw(); }
  function zoom(factor, at) { look(zoomed(state.view, factor, at || { x: 0, y: 0 }, picture, ratio())); }
  function go(index) {
    if (!data.boxes.length) return;
    const place = (index + data.boxes.length) % data.boxes.length;
    look(lookingAt(data.boxes[place], panes(), ratio()));
    state.place = place;
    draw();
  }

  // The mouse, a pen or fingers

  const down = new Map();
  let splitting = false;
  const inStage = (event) => {
    const rect = stage.getBoundingClientRect();
    return { x: event.clientX - rect.left, y: event.clientY - rect.top };
  };
  const fromMiddle = (at) => {
    const pane = panes();
    const x = state.mode === "side" && at.x > pane.width ? at.x - pane.width : at.x;
    return { x: x - pane.width / 2, y: at.y - pane.height / 2 };
  };
  const spread = () => {
    const points = Array.from(down.values());
    return Math.hypot(points[0].x - points[1].x, points[0].y - points[1].y);
  };

  stage.addEventListener("pointerdown", (event) => {
    const at = inStage(event);
    const near = Math.abs(at.x - stage.clientWidth * state.split) <= 12;
    splitting = !line.hidden && !handle.hidden && (near || handle.contains(event.target));
    down.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    stage.classList.toggle("moving", !splitting);
  });
  stage.addEventListener("pointermove", (event) => {
    const at = inStage(event), before = down.get(event.pointerId);
    if (!before) return;
    if (splitting) {
      down.set(event.pointerId, at);
      setSplit(at.x / stage.clientWidth);
    } else if (down.size === 2) {
      const old = spread();
      down.set(event.pointerId, at);
      if (old > 0) zoom(spread() / old, fromMiddle(at));
    } else {
      down.set(event.pointerId, at);
      look(moved(state.view, { x: at.x - before.x, y: at.y - before.y }, picture));
    }
  });
  const up = (event) => {
    down.delete(event.pointerId);
    splitting = false;
    stage.classList.remove("moving");
  };
  stage.addEventListener("pointerup", up);
  stage.addEventListener("pointercancel", up);
  stage.addEventListener("dblclick", (event) => {
    if (handle.contains(event.target)) setSplit(0.5);
    else if (state.fits) zoom(1 / ratio() / state.view.scale, fromMiddle(inStage(event)));
    else fit();
  });
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.pow(2, -event.deltaY / (event.deltaMode ? 12 : 240)), fromMiddle(inStage(event)));
  }, { passive: false });

  // Buttons and the table

  document.querySelectorAll("#modes button").forEach((button) => {
    button.addEventListener("click", () => setMode(button.dataset.mode));
  });
  get("swap").addEventListener("click", swap);
  get("fit").addEventListener("click", fit);
  get("actual").addEventListener("click", () => zoom(1 / ratio() / state.view.scale));
  get("in").addEventListener("click", () => zoom(Math.SQRT2));
  get("out").addEventListener("click", () => zoom(Math.SQRT1_2));
  const holding = get("hold");
  holding.addEventListener("pointerdown", () => hold(true));
  ["pointerup", "pointerleave", "pointercancel"].forEach((name) => holding.addEventListener(name, () => hold(false)));
  document.querySelectorAll("tr[data-id] input").forEach((input) => {
    input.addEventListener("change", () => {
      state.shown[input.name === "a" ? 0 : 1] = Number(input.value);
      draw();
    });
  });
  data.boxes.forEach((box, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = box.name;
    button.style.setProperty("--place", box.colour);
    button.addEventListener("click", () => go(index));
    get("places").append(button);
  });

  // The keyboard

  const STEP = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const KEYS = {
    1: () => setMode("left"), 2: () => setMode("split"), 3: () => setMode("right"), 4: () => setMode("side"),
    s: () => setMode("side"), x: swap, 0: fit, z: () => zoom(1 / ratio() / state.view.scale),
    "+": () => zoom(Math.SQRT2), "=": () => zoom(Math.SQRT2), "-": () => zoom(Math.SQRT1_2),
    h: () => stage.classList.toggle("bare"),
    n: () => go(state.place + 1), p: () => go(state.place < 0 ? -1 : state.place - 1),
  };
  handle.addEventListener("keydown", (event) => {
    const by = event.shiftKey ? 0.1 : 0.02;
    const to = {
      ArrowLeft: state.split - by, ArrowDown: state.split - by, ArrowRight: state.split + by,
      ArrowUp: state.split + by, Home: 0, End: 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    setSplit(to);
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const tag = event.target.tagName;
    if (event.key === " " && (tag !== "BUTTON" || event.target === holding || event.target === handle) && tag !== "INPUT") {
      event.preventDefault();
      hold(true);
    } else if (STEP[event.key] && event.target === stage) {
      event.preventDefault();
      const [x, y] = STEP[event.key], far = 0.1 * Math.min(stage.clientWidth, stage.clientHeight);
      look(moved(state.view, { x: x * far, y: y * far }, picture));
    } else if (KEYS[event.key.toLowerCase()]) {
      KEYS[event.key.toLowerCase()]();
    }
  });
  document.addEventListener("keyup", (event) => { if (event.key === " ") hold(false); });
  window.addEventListener("blur", () => hold(false));
  window.addEventListener("resize", draw);

  get("tools").hidden = false;
  get("places").hidden = !data.boxes.length;
  draw();
})();
