// Runs whichever program it is told to, until nothing more is asked.
import { serve } from './dialogue.mjs';

await serve();
