// An authorization server of the npm package oidc-provider, for peers_test.go. It
// serves https://127.0.0.1:$PORT with the key and certificate in the files $KEY and
// $CERT, says "ready" when it does, and ends with its standard input.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import Provider from 'oidc-provider';

const issuer = `https://127.0.0.1:${process.env.PORT}`;

const jwk = (kid, type, options) => ({ ...generateKeyPairSync(type, options).privateKey.export({ format: 'jwk' }), kid, use: 'sig' });

// The algorithm of a token is that of the API it is for.
const algorithms = { 'https://orders.example.com': 'RS256', 'https://stock.example.com': 'ES256', 'https://users.example.com': 'PS256' };

const provider = new Provider(issuer, {
  clients: [{ client_id: 'worker', client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
  jwks: {
    keys: [
      { ...jwk('rs', 'rsa', { modulusLength: 2048 }), alg: 'RS256' },
      { ...jwk('ps', 'rsa', { modulusLength: 2048 }), alg: 'PS256' },
      jwk('ec', 'ec', { namedCurve: 'P-256' }), // without alg
    ],
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_, resource) => ({
        audience: resource,
        scope: 'orders.read orders.write',
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: algorithms[resource] } },
      }),
    },
  },
});

createServer({ key: readFileSync(process.env.KEY), cert: readFileSync(process.env.CERT) }, provider.callback())
  .listen(process.env.PORT, '127.0.0.1', () => console.log('ready'));

process.stdin.on('end', () => process.exit(0)).resume();
