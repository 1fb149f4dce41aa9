import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { folder, type Host, sh } from './host';

/** The laboratory's own authority, which signs what browsers there trust. */

const [authority, authorityKey] = [join(folder, 'authority.pem'), join(folder, 'authority.key')];
const make = 'openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2';

/** Makes the authority's own certificate, once. */
function found(): void {
  if (!existsSync(authority)) sh(`${make} -subj /CN=laboratory -keyout ${authorityKey} -out ${authority}`);
}

/** The server's flags for a certificate that is good for a name and an address. */
export function certificate(name: string, address: string): string[] {
  found();
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const signed = `-CA ${authority} -CAkey ${authorityKey} -addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:${name},IP:${address}`;
  sh(`${make} -subj /CN=${name} ${signed} -keyout ${key} -out ${cert}`);
  return ['--tls-cert', cert, '--tls-key', key];
}

/** Has the browsers that start on a machine trust the authority, as the browsers of a company trust the company's. */
export function trust(host: Host): void {
  found();
  const der = new X509Certificate(readFileSync(authority)).raw.toString('base64');
  host.etc('firefox/policies/policies.json', JSON.stringify({ policies: { Certificates: { Install: [authority] } } }));
  host.etc('chromium/policies/managed/authority.json', JSON.stringify({ CACertificates: [der] }));
}
