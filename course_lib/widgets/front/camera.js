// A camera with a live picture: cut square as networks see it, off when it is closed, when its widget leaves the page, and with the page.

const NO_CAMERA = "This page cannot use a camera: browsers give one to pages on localhost and to https only.";

const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

// camera({taken, undo, closed, more}): node, open(words, side), close(), frame(side). taken(file) gets each picture.
// more: nodes beside the buttons. closed(why) is called when the camera went off; `why` is a sentence, or empty.
function camera({ taken, undo, closed = () => {}, opened = () => {}, more = [], series = true }) {
  const ROW = 10, PAUSE = 500;  // pictures in a row, milliseconds between two
  const video = h("video", { muted: true, playsinline: true, autoplay: true, "aria-label": "what the camera sees", "data-testid": "video" });
  video.muted = true;
  const words = h("p", { class: "soft", role: "status", "data-testid": "camera-words" });
  const take = button("Take picture", () => shoot(), { class: "primary", "data-testid": "take" });
  const many = button(`Take ${ROW} in a row`, () => row(), { "data-testid": "take-row" });
  const off = button("Switch camera off", () => close(""), { "data-testid": "camera-off" });
  const which = h("select", { "aria-label": "which camera", hidden: true, onchange: () => start(which.value) });
  const node = h("div", { class: "camera", hidden: true, role: "group", "aria-label": "camera", "data-testid": "camera" },
    video, h("div", { class: "camera-side" }, h("div", { class: "row" }, take, series ? many : null, off, which, more), words));
  let stream = null, timer = 0, guard = 0, count = 0, turn = 0;

  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    close("");
  });
  const left = () => close("");
  window.addEventListener("pagehide", left);
  undo.push(() => { close(""); window.removeEventListener("pagehide", left); });

  const release = () => { stream?.getTracks().forEach((track) => track.stop()); stream = null; video.srcObject = null; };

  async function start(device) {
    const mine = ++turn;
    release();
    const wanted = { width: { ideal: 1280 }, height: { ideal: 960 }, ...(device ? { deviceId: { exact: device } } : {}) };
    try {
      const got = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      if (mine !== turn || !node.isConnected) { got.getTracks().forEach((track) => track.stop()); return; }  // closed meanwhile
      stream = got;
      video.srcObject = got;
      got.getVideoTracks()[0].addEventListener("ended", () => { if (stream === got) close("The camera was taken away or unplugged."); });
      await video.play().catch(() => {});
      const all = (await navigator.mediaDevices.enumerateDevices()).filter((found) => found.kind === "videoinput");
      if (mine !== turn) return;
      which.replaceChildren(...all.map((found, i) => h("option", { value: found.deviceId }, found.label || `camera ${i + 1}`)));
      which.value = got.getVideoTracks()[0].getSettings().deviceId ?? "";
      set(which, { hidden: all.length < 2 });
      opened();
    } catch (error) {
      if (mine === turn) close(reason(error));
    }
  }

  function reason(error) {
    if (error.name === "NotAllowedError") return "The browser may not use the camera. Allow it beside the page's address, then press the button again; or choose files.";
    if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return "No camera was found on this machine. Choose files instead.";
    if (error.name === "NotReadableError") return "The camera is in use by another program. Close that program, then press the button again.";
    return `The camera could not be started (${error.name}). Choose files instead.`;
  }

  async function open(said) {
    if (!hasCamera()) { closed(NO_CAMERA); return; }
    set(node, { hidden: false });
    count = 0;
    set(words, { text: said });
    take.focus({ preventScroll: false });
    clearInterval(guard);
    // A notebook takes what is out of sight off the page, and a cell that runs again its old output: nobody sees the picture then.
    guard = setInterval(() => { if (!node.isConnected) close(""); }, 500);
    await start("");
  }

  function close(why) {
    turn += 1;
    clearTimeout(timer);
    clearInterval(guard);
    timer = 0;
    release();
    const was = !node.hidden;
    set(node, { hidden: true });
    set(many, { text: `Take ${ROW} in a row` });
    if (was) closed(why);
  }

  // The square in the middle of the picture, as a canvas of `side` pixels at most; null while there is no picture.
  function frame(side = 1024) {
    const cut = Math.min(video.videoWidth, video.videoHeight);
    if (!stream || !cut) return null;
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = Math.min(side, cut);
    canvas.getContext("2d").drawImage(video, (video.videoWidth - cut) / 2, (video.videoHeight - cut) / 2, cut, cut, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  const file = (side, name) => new Promise((then) => {
    const canvas = frame(side);
    if (!canvas) then(null);
    else canvas.toBlob((blob) => then(blob && new File([blob], name, { type: "image/jpeg" })), "image/jpeg", 0.92);
  });

  async function shoot() {
    const now = new Date(), two = (n) => String(n).padStart(2, "0");
    const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
    const picture = await file(1024, `camera ${day} ${two(now.getHours())}.${two(now.getMinutes())}.${two(now.getSeconds())}-${String(now.getMilliseconds()).padStart(3, "0")}.jpg`);
    if (!picture) { set(words, { text: "The camera shows no picture yet." }); return; }
    count += 1;
    set(words, { text: `${count} ${count === 1 ? "picture" : "pictures"} taken.` });
    taken(picture);
  }

  function row() {
    if (timer) { clearTimeout(timer); timer = 0; set(many, { text: `Take ${ROW} in a row` }); return; }
    let rest = ROW;
    const one = async () => {
      await shoot();
      rest -= 1;
      if (rest && timer) timer = setTimeout(one, PAUSE);
      else timer = 0;
      set(many, { text: timer ? `Stop (${rest} left)` : `Take ${ROW} in a row` });
    };
    timer = setTimeout(one, 0);
  }

  return { node, open, close, file, on: () => stream !== null, say: (text) => set(words, { text }) };
}
