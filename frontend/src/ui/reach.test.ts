import { describe, expect, it } from 'vitest';
import type { Outcome, ReachWay, Trial } from '../client/reach';
import { ProtocolError } from '../client/errors';
import { browserName, findingOf, isPrivate, reportText, took, type Who } from './reach';

const ways: ReachWay[] = ['websocket', 'udp', 'tcp', 'relay-tcp', 'relay-tls'];
const here = { host: 'media.example', port: '8443' };

/** Outcomes in the order WebSocket, UDP, TCP, TCP relay, TLS relay. */
function trials(outcomes: string, o: { target?: string; error?: ProtocolError } = {}): Trial[] {
  const names: Record<string, Outcome> = { o: 'open', b: 'blocked', a: 'absent', u: 'untested' };
  return [...outcomes].map((c, i) => ({
    way: ways[i] ?? 'udp', outcome: names[c] ?? 'untested', ms: 40, targets: i === 0 || c === 'a' ? [] : [o.target ?? '203.0.113.7 8443'], error: o.error ?? null,
  }));
}

describe('the summary', () => {
  it.each<[string, string, string, Who[]]>([
    ['ooooo', 'ok', 'Everything gets through. Streams play over UDP.', ['broadcaster']],
    ['oooaa', 'ok', 'Everything that the server offers gets through. Streams play over UDP.', ['broadcaster']],
    ['ooobb', 'ok', 'Streams play over UDP. Blocked, but not needed now: TCP relay and TLS relay.', ['you', 'operator']],
    ['oooob', 'ok', 'Streams play over UDP. Blocked, but not needed now: TLS relay.', ['you', 'operator']],
    ['obooo', 'half', 'UDP is blocked here. Streams play over TCP, a little later.', ['network', 'operator']],
    ['obbbo', 'half', 'UDP is blocked here. Streams play over the TLS relay, a little later.', ['network', 'operator']],
    ['oaooo', 'half', 'UDP is blocked here. Streams play over TCP, a little later.', ['operator']],
    ['obbbb', 'off', 'Nothing plays here: no way to the server’s media is open.', ['network', 'you', 'operator']],
    ['boooo', 'off', 'Nothing plays here: WebSockets are blocked.', ['network', 'operator']],
  ])('of %s', (outcomes, mark, summary, who) => {
    const f = findingOf(trials(outcomes), here);
    expect(f).toMatchObject({ mark, summary });
    expect(f.advice.map((a) => a.who)).toEqual(who);
    for (const a of f.advice) expect(a.text).toMatch(/^[A-Z].*\.$/);
  });

  it('for a broadcaster', () => {
    expect(findingOf(trials('ooooo'), here, true)).toEqual({ mark: 'ok', summary: 'Everything gets through. You send over UDP.', advice: [] });
    expect(findingOf(trials('obbbb'), here, true).summary).toContain('You cannot go on air from here');
  });

  it.each([['no_webrtc', 'no WebRTC'], ['connection_lost', 'does not answer'], ['throttled', 'Too many'], ['method_not_allowed', 'could not begin']])('when %s stopped the test', (code, text) => {
    const f = findingOf(trials('ouuuu', { error: new ProtocolError(code, 'why') }), here);
    expect(f.summary).toContain(text);
    expect(f.advice.length).toBeGreaterThan(0);
  });
});

describe('when nothing is open', () => {
  const asked = (target: string, at = here) => findingOf(trials('obbbb', { target }), at).advice[0];

  it('names the port', () => {
    expect(asked('203.0.113.7 8443')).toMatchObject({ who: 'network', text: expect.stringContaining('port 8443 of media.example') });
  });
  it('asks the operator about a port that is not the page’s', () => {
    expect(asked('203.0.113.7 9000', { host: 'media.example', port: '443' })).toMatchObject({ who: 'operator', text: expect.stringMatching(/page comes through port 443, media through port 9000/) });
  });
  it('sees a private address', () => {
    expect(asked('10.0.0.5 8443')).toMatchObject({ who: 'operator', text: expect.stringContaining('--public-host media.example') });
  });
  it('knows that browsers refuse port 443 at home', () => {
    expect(asked('192.168.1.5 443', { host: '192.168.1.5', port: '443' })).toMatchObject({ who: 'operator', text: expect.stringContaining('another port') });
  });
  it('says that there is no address', () => {
    expect(findingOf(trials('obbaa').map((t) => ({ ...t, targets: [] })), here).advice[0]).toMatchObject({ who: 'operator' });
  });
});

it.each([
  ['10.1.2.3', true], ['172.16.0.1', true], ['172.32.0.1', false], ['192.168.0.1', true], ['100.64.0.1', true], ['127.0.0.1', true], ['203.0.113.7', false],
  ['::1', true], ['[fd00::1]', true], ['fe80::1', true], ['2001:db8::1', false], ['localhost', true], ['nas.local', true], ['media.example', false],
])('%s is private: %s', (host, is) => {
  expect(isPrivate(host)).toBe(is);
});

it('the report has all there is and no address of the device', () => {
  const t = trials('obooa');
  const text = reportText({
    at: Date.UTC(2026, 10, 22, 17, 40, 3), origin: 'https://media.example:8443', trials: t, finding: findingOf(t, here),
    userAgent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36',
  });
  expect(text).toBe(`Heliograph connection test
Date: 2026-11-22 17:40:03 UTC
Server: https://media.example:8443
Browser: Chrome 156 on Linux
Result: UDP is blocked here. Streams play over TCP, a little later.

WebSocket                  open          40 ms
UDP                        blocked       40 ms  to 203.0.113.7 8443
TCP (ICE-TCP)              open          40 ms  to 203.0.113.7 8443
TCP relay (TURN over TCP)  open          40 ms  to 203.0.113.7 8443
TLS relay (TURN over TLS)  not offered       –

What to do:
- Whoever runs this network, or its firewall: For less delay, allow outgoing UDP to port 8443 of media.example. A VPN may block it too.
- Whoever runs the server: If it is the same on another network, such as a phone’s mobile data, UDP does not reach the server: open UDP port 8443 in its firewall, and forward it in the router or container.
`);
});

it.each([
  ['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox 140 on Windows'],
  ['Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1', 'Safari 18.0 on iOS'],
  ['Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36 EdgA/150.0', 'Edge 150 on Android'],
  ['curl', 'unknown'],
])('%s is %s', (ua, name) => {
  expect(browserName(ua)).toBe(name);
});

it('times read well', () => {
  const t = (ms: number, outcome: Outcome = 'open') => took({ way: 'udp', outcome, ms, targets: [], error: null });
  expect([t(41.6), t(1440), t(5000, 'blocked'), t(3, 'absent')]).toEqual(['42 ms', '1.4 s', '5.0 s', '–']);
});
