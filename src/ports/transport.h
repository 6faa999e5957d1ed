// Transport: what peers tell each other (messages) and give each other (KV blocks).
#pragma once

#include <cstdint>
#include <span>

#include "base/callback.h"
#include "base/quantity.h"
#include "base/time.h"
#include "model/request.h"

namespace weft {

enum class MessageKind : uint8_t {
  kPrefill,    // router → prefill or unified: compute `request` (with `generated` tokens known)
  kDecode,     // router → decode: continue `request`, whose KV lies at (peer, rank)
  kRefused,    // instance → router: the waiting queue is full, or the request can never fit
  kPrefilled,  // prefill → router: the prompt is done, its KV waits at (from, rank)
  kFinished,   // instance → router: done after `generated` tokens
  kLost,       // decode → router: KV is gone after `generated` tokens; compute it again
  kExpired,    // instance → router: its deadline passed before it was started
  kCancel,     // router → instance: nobody wants `request` any longer; answered with kCancelled,
               // unless an answer of another kind is under way
  kCancelled,  // instance → router: it is gone
  kRelease,    // decode → prefill: KV has been pulled, its blocks may go
  kLookup,     // prefill → cache: which of `blocks` do you hold?
  kFound,      // cache → prefill: the first `count` of them
  kFetch,      // prefill → cache: send me `blocks` for rank `rank`
  kFetched,    // cache → prefill: `count` of them have arrived
  kSave,       // prefill → cache: `blocks` have been written to your memory
};

// One message. Fields that a kind does not name are left as they are.
struct Message {
  MessageKind kind = MessageKind::kPrefill;
  NodeId from;
  NodeId to;
  Request request;  // kPrefill, kDecode: whole; else only request.id is meaningful
  int64_t generated = 0;
  NodeId peer;
  uint32_t rank = 0;
  int64_t count = 0;
  int64_t cached = 0;                 // kPrefilled, kFinished: prompt tokens that were not computed
  int64_t tag = 0;                    // echoed in the answer
  std::span<const BlockHash> blocks;  // copied by the transport; the receiver keeps no pointer
};

// One end of a bulk copy: a data-parallel rank of an instance, or a cache node's memory.
struct Endpoint {
  NodeId node;
  uint32_t rank = 0;
};

struct Copy {
  Endpoint from;
  Endpoint to;
  Bytes bytes;
};

enum class PeerEvent { kDown, kUp };

struct Mailbox {
  Callback<const Message&> receive;
  Callback<NodeId, PeerEvent> peer;  // another node was found down, or is back
};

using CopyDone = Completion<bool>;  // false: one end died before the last byte arrived

class Transport {
 public:
  virtual ~Transport() = default;
  // A node that is attached receives; one that is detached is gone, with all that was on its way
  // from or to it. One that is attached again gets messages only after the others have heard that
  // it is back, and before that hears which of them are down.
  virtual void attach(NodeId node, Mailbox mailbox) = 0;
  virtual void detach(NodeId node) = 0;
  // Messages between two nodes arrive in order, later than now, or never when one of them dies.
  virtual void send(const Message& message) = 0;
  // Moves bytes between two memories; `done` is called on the loop, never inside submit().
  virtual void submit(const Copy& copy, CopyDone done) = 0;
};

}  // namespace weft
