-- For wrk: sends the requests of a file (KABAO_REQUESTS; raw HTTP, a NUL byte after each) in turn, and prints what came of
-- it as one line of JSON. With KABAO_ONCE set, each request is sent once, and the load ends with the last one.
local file = assert(io.open(os.getenv("KABAO_REQUESTS"), "rb"))
local text = file:read("*a")
file:close()

local all, start = {}, 1
while true do
    local zero = text:find("\0", start, true)
    if not zero then break end
    all[#all + 1] = text:sub(start, zero - 1)
    start = zero + 1
end
text = nil

local once = os.getenv("KABAO_ONCE") ~= nil
local at = -1 -- wrk asks for one request that it never sends

function request()
    at = at + 1
    if once and at > #all then
        wrk.thread:stop()
        return all[#all]
    end
    return all[math.max(at - 1, 0) % #all + 1]
end

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        '\n{"count": %d, "microseconds": %d, "refused": %d, "broken": %d, "p50": %.1f, "p90": %.1f, "p99": %.1f, "max": %.1f}\n',
        summary.requests, summary.duration, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
        latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
