/** The page's one connection to the server, made when the first page needs it. */
import { Connection } from './client/connection';

let connection: Connection | null = null;

export function link(): Connection {
  connection ??= new Connection();
  connection.start();
  return connection;
}

/** After a sign-in or sign-out: whoever uses the connection is known anew. */
export function relink(): void {
  connection?.reconnect();
}
