// Asks the agent. Paths are relative, so that the console also works behind a proxy's prefix.

const TOKEN_KEY = "sonde.token";

export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status; // 0: no answer at all
  }
}

// The token lives as long as the tab: sessionStorage, never the address.
export const set_token = (token) => sessionStorage.setItem(TOKEN_KEY, token);
export const forget_token = () => sessionStorage.removeItem(TOKEN_KEY);

// A change: POST with a body, DELETE without one. Throws ApiError.
export async function tell(method, path, body = undefined) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(`api/v1/${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal: AbortSignal.timeout(8000) });
  } catch {
    throw new ApiError("the agent does not answer", 0);
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch {
    // refused before it reached the API: plain words
  }
  if (!response.ok) throw new ApiError(answer?.error || text.trim() || `status ${response.status}`, response.status);
  return answer;
}

// parameters that are undefined, null or "" are left out. Throws ApiError, or AbortError when the signal says so.
export async function ask(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters))
    if (value !== undefined && value !== null && value !== "") query.set(name, String(value));
  const text = query.toString();
  const token = sessionStorage.getItem(TOKEN_KEY);
  const timeout = AbortSignal.timeout(8000); // an agent that hangs must show as such
  let response;
  try {
    response = await fetch(`api/v1${path ? `/${path}` : ""}${text ? `?${text}` : ""}`, {
      headers: token ? { Authorization: `Bearer ${token}` } : {},
      signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("the agent does not answer", 0);
  }
  let body = null;
  try {
    body = await response.json();
  } catch {
    if (response.ok) throw new ApiError("the answer was cut off", 0);
  }
  // health answers 503 with a report in it
  if (!response.ok && !(body && body.components)) throw new ApiError(body?.error || `status ${response.status}`, response.status);
  return body;
}
