// A playhead runs along the curve of the song that plays; one song plays at a time.
const players = [...document.querySelectorAll("audio")];
for (const player of players) {
  const head = player.closest("li").querySelector(".head");
  player.addEventListener("play", () => {
    for (const other of players) if (other !== player) other.pause();
  });
  if (!head) continue; // too short for a curve
  const move = () => {
    const {start, length} = player.dataset;
    head.style.left = 100 * Math.min(1, (+start + player.currentTime) / length) + "%";
    if (!player.paused) requestAnimationFrame(move);
  };
  player.addEventListener("play", () => {
    head.hidden = false;
    move();
  });
  player.addEventListener("seeked", move);
}
