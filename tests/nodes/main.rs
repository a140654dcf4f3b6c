//! Several nodes over one Redis: three programs, a real server, and clients spread over them. The
//! name of a test is the promise.

mod support; // Redis, nodes, and their clients

mod order; // one order on all nodes
mod publishing; // messages published over HTTP
mod history; // messages of the past, and rooms that end
mod resume; // clients that come back at another node
mod presence; // members on all nodes
mod outages; // Redis is gone, stands still, or has forgotten
mod links; // connections between a node and Redis that fail
mod restarts; // nodes that stop, are killed, and stand still
mod starting; // the first contact with Redis
