#include "errors.h"

#include <new>
#include <stdexcept>

namespace qs::binding {

std::string currentReason() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return "not enough memory";
  } catch (const std::length_error&) {
    return "the requested size exceeds what memory can hold";
  } catch (const std::exception& error) {
    return error.what();
  } catch (...) {
    return "an unknown exception was thrown";
  }
}

}  // namespace qs::binding
