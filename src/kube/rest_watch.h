#pragma once

#include <memory>
#include <string>

#include "http/client.h"
#include "kube/api.h"

namespace serin::kube {

/// The object with apiVersion and kind filled in: items of lists, and metadata-only objects, do not carry
/// their own.
Json with_type(const Resource& resource, Json object);

/// The watch of a stream of JSON lines. Events may be cut into pieces, or arrive several in one.
class RestWatch final : public Watch {
 public:
  /// `deadline`: when a watch that the server should have ended counts as broken.
  RestWatch(Resource resource, std::unique_ptr<http::BodyStream> body, base::Clock& clock,
            base::MonoTime deadline);

  base::Task<base::Result<std::optional<WatchEvent>>> next() override;

 private:
  base::Result<std::optional<WatchEvent>> read_event(std::string_view line) const;

  Resource resource_;
  std::unique_ptr<http::BodyStream> body_;
  base::Clock& clock_;
  base::MonoTime deadline_;
  std::string buffer_;        ///< received, not yet handed out
  std::size_t consumed_ = 0;  ///< start of the first unread line in buffer_
};

/// What a refused watch says: reads the (short) body of an answer of 400 or above.
base::Task<base::Error> read_refusal(std::string path, http::StreamingResponse response, base::Clock& clock,
                                     base::MonoTime deadline);

}  // namespace serin::kube
