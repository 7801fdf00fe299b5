// Changes of the page in steps, a few in each frame. What a step costs shows only when the browser has laid it out and
// painted it, so each frame is timed to its end, and from that follows how many steps the next one takes.

const FRAME_MS = 6; // of the page's thread: under 16 ms also where others want the core
const STEPS_MOST = 25;

const queues = new Map(); // owner → its steps, the next one last
const painted = new MessageChannel(); // a message that a frame sends arrives when the frame is done
let frame = 0, steps_a_frame = 2;

painted.port1.onmessage = ({ data: started }) => {
  const took = performance.now() - started;
  if (took > FRAME_MS) steps_a_frame = Math.max(1, Math.floor(steps_a_frame / 2));
  else if (took < FRAME_MS / 2) steps_a_frame = Math.min(STEPS_MOST, steps_a_frame + 1);
};

function next_step() {
  for (const [owner, steps] of queues) {
    const step = steps.pop();
    if (steps.length === 0) queues.delete(owner);
    if (step) return step;
  }
  return null;
}

function run() {
  frame = 0;
  const started = performance.now();
  for (let left = steps_a_frame; left > 0 && performance.now() - started < FRAME_MS / 2; --left) {
    const step = next_step();
    if (!step) break;
    step();
  }
  painted.port2.postMessage(started);
  if (queues.size) request();
  else delete document.body.dataset.drawing;
}

// While there is something to do, body[data-drawing] says that what is shown is not all of the last answer yet.
function request() {
  if (frame) return;
  document.body.dataset.drawing = "";
  frame = requestAnimationFrame(run);
}

// Instead of what the owner still had to do.
export function do_in_frames(owner, steps) {
  queues.set(owner, steps.reverse());
  request();
}

// After what the owner still has to do.
export function add_to_frames(owner, step) {
  const steps = queues.get(owner);
  if (steps) steps.unshift(step);
  else do_in_frames(owner, [step]);
}

export const forget_frames = (owner) => queues.delete(owner);
