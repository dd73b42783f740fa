/** A short sound for a new block: a hammer on iron, made here. */

let context: AudioContext | null = null;

/** Rings once, where the browser lets a page be heard. */
export function ping(): void {
  try {
    context ??= new AudioContext();
    const { currentTime: now } = context;
    const volume = context.createGain();
    volume.gain.setValueAtTime(0.12, now);
    volume.gain.exponentialRampToValueAtTime(0.001, now + 0.5);
    volume.connect(context.destination);
    for (const pitch of [1318.5, 2793.8]) {
      const tone = context.createOscillator();
      tone.frequency.value = pitch;
      tone.connect(volume);
      tone.start(now);
      tone.stop(now + 0.5);
    }
  } catch {
    // A page that may not be heard shows the block all the same.
  }
}
