// Node's `eventsource`, as it comes. Usage: node eventsource.js '{"url": ..., "types": [...]}'
import { EventSource } from "eventsource";
import { listen } from "./listen.js";
import { tell, untilInputEnds } from "./tell.js";

untilInputEnds();
listen(EventSource, JSON.parse(process.argv[2]), tell);
