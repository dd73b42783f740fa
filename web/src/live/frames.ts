/** Hidden and covered pages draw no pictures. */
const WITHOUT_FRAMES = 100;

/**
 * Returns a function after which `run` is called once before the next picture is drawn, however often it was
 * called; soon, where none is drawn.
 */
export function inFrames(run: () => void): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    const once = () => {
      if (!isAsked) return;
      isAsked = false;
      clearTimeout(timer);
      cancelAnimationFrame(frame);
      run();
    };
    const timer = setTimeout(once, WITHOUT_FRAMES);
    const frame = requestAnimationFrame(once);
  };
}
