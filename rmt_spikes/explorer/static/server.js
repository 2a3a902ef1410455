// Questions to the server. The token comes in the part of the address that browsers send to nobody, and is
// kept for this origin alone: never in the address, where a copied link or a history would have it.
const KEY = "rmt-spikes explore: token";
let token = "";

export class Refused extends Error {
  constructor(answer) {
    super(answer.error);
    this.field = answer.field;
  }
}

export class Gone extends Error {}
export class Stranger extends Error {}

export function take(parameters) {
  const given = parameters.get("token");
  parameters.delete("token");
  try {
    if (given) localStorage.setItem(KEY, given);
    token = given || localStorage.getItem(KEY) || "";
  } catch {
    token = given || token;
  }
}

async function ask(name, body, signal) {
  let response;
  try {
    response = await fetch(`/${name}`, {
      method: "POST",
      headers: { "authorization": `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Gone();
  }
  if (response.status === 403) throw new Stranger();
  if (!response.ok && !(response.headers.get("content-type") || "").includes("json")) {
    throw new Refused({ field: "", error: `the server answers ${response.status}` });
  }
  return response;
}

export async function post(name, body, signal) {
  const response = await ask(name, body, signal);
  let answer;
  try {
    answer = await response.json();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Gone();
  }
  if (!response.ok) throw new Refused(answer);
  return answer;
}

// Answers of one question, one a line.
export async function* stream(name, body, signal) {
  const response = await ask(name, body, signal);
  if (!response.ok) throw new Refused(await response.json());
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let pending = "";
  for (;;) {
    let piece;
    try {
      piece = await reader.read();
    } catch (error) {
      throw error.name === "AbortError" ? error : new Gone();
    }
    if (piece.done) return;
    const lines = (pending + piece.value).split("\n");
    pending = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
  }
}
